"""Mistakes that users make: the command, its flags, and parts of the message.

`{place}` stands for the folder that the test makes, `{new}` for one that is not there yet, `{port}` for a
port at which something listens, and `|` between what may stand in a message.
"""

import prepare_mistakes
from prepare_mistakes import DENIED, FORBIDDEN

from brave_tf.cli import (
    data_service,
    embed,
    export,
    import_checkpoint,
    inspect,
    report,
    train,
)
from brave_tf.cli import eval as evaluate


def trained(*bindings, recipe="{place}/tiny.gin"):
    return [f"--gin_file={recipe}", "--model_dir={new}", *(f"--gin_bindings={b}" for b in bindings)]


def evaluated(*flags, task="folder/linear", model="--model_dir={place}/model"):
    return [f"--task={task}", model, "--data={place}/records", "--output={new}", *flags]


MISTAKES = {
    **prepare_mistakes.MISTAKES,
    "train: no recipe": (train, ["--model_dir={new}"], ["--gin_file is missing", "as_v_fa.gin"]),
    "train: misspelt recipe": (
        train,
        trained(recipe="as_v_af"),
        ["'as_v_af' was not found", "Did you mean"],
    ),
    "train: misspelt binding": (
        train,
        trained("train.batch_sise = 2"),
        ["batch_sise", "Did you mean batch_size"],
    ),
    "train: misspelt configurable": (
        train,
        trained("RbgView.size = 2"),
        ["RbgView", "Did you mean RgbView"],
    ),
    "train: misspelt scope": (
        train,
        trained("narow/RgbView.size = 32"),
        ["narow/RgbView", "Did you mean narrow"],
    ),
    "train: a word for a number": (
        train,
        trained("train.num_steps = 'many'"),
        ["train.num_steps = 'many'", "a whole number"],
    ),
    "train: a batch of nothing": (
        train,
        trained("train.batch_size = 0"),
        ["train.batch_size = 0", "at least 1"],
    ),
    "train: unknown precision": (
        train,
        trained("train.precision = 'bfloat16'"),
        ["train.precision = 'bfloat16'", "Did you mean mixed_bfloat16"],
    ),
    "train: no data": (
        train,
        trained("train.data_dir = '{place}/recrods'"),
        ["/recrods: no such folder", "brave_tf_prepare"],
    ),
    "train: a folder without clips": (
        train,
        trained("train.data_dir = '{place}/empty'"),
        ["/empty", "brave_tf_prepare"],
    ),
    "train: an unknown split": (
        train,
        trained("train.split = 'trian'"),
        ["no split 'trian'", "Did you mean train"],
    ),
    "train: no sound in the clips": (
        train,
        trained("train.data_dir = '{place}/silent'"),
        [
            "'broad_audio' needs audio",
            "/silent has",
            "Take the view out",
            "can train: v_v, v_vvv, k400_v_vvv_r3d50, ",
            "brave_tf_train --gin_file=v_v --gin_file=overlays/laptop.gin",
        ],
    ),
    "train: another sample rate": (
        train,
        trained("broad_audio/LogMel.sample_rate = 16000"),
        ["16000 Hz", "has 8000 Hz", "Bind LogMel.sample_rate = 8000"],
    ),
    "train: a backbone without a view": (
        train,
        trained("Recipe.views = {{'narrow': @narrow/RgbView()}}"),
        ["broad_audio", "Recipe.views"],
    ),
    "train: a view without the narrow one": (
        train,
        trained("BraVe.backbones = {{'broad_audio': @broad_audio/audio_light()}}"),
        ["a view called 'narrow'"],
    ),
    "train: a module that is not there": (
        train,
        trained(recipe="{place}/plugin.gin"),
        ["my_plugin", "cannot use the configuration"],
    ),
    "train: into a file": (
        train,
        ["--gin_file={place}/tiny.gin", "--model_dir={place}/text.txt"],
        ["text.txt"],
    ),
    "train: where nobody may write": (
        train,
        ["--gin_file={place}/tiny.gin", f"--model_dir={FORBIDDEN}"],
        [FORBIDDEN, DENIED, "a --model_dir on a disk with space and permission"],
    ),
    "train: in the folder of another recipe": (
        train,
        [
            "--gin_file={place}/tiny.gin",
            "--model_dir={place}/model",
            "--gin_bindings=narrow/tsm_light.widths = (8, 32)",
        ],
        ["/model/checkpoints/step-2 does not fit the model", "another --model_dir"],
    ),
    "train: a batch that devices cannot share": (
        train,
        trained("train.batch_size = 5", "train.strategy = 'mirrored'"),
        ["train.batch_size = 5 cannot be divided over 2 devices", "a multiple of 2"],
    ),
    "train: a batch that parts cannot share": (
        train,
        trained("train.accumulate_steps = 3"),
        ["train.batch_size = 4 cannot be divided", "in 3 parts", "a multiple of 3"],
    ),
    "train: clips at a service that is not there": (
        train,
        trained("train.data_service = 'grpc://localhost:1'"),
        ["localhost:1", "brave_tf_data_service --role=dispatcher"],
    ),
    "eval: no task": (evaluate, ["--model_dir={place}/model"], ["--task is missing", "--list"]),
    "eval: misspelt task": (
        evaluate,
        evaluated(task="folder/linaer"),
        ["folder/linaer", "Did you mean folder/linear"],
    ),
    "eval: no model": (evaluate, ["--task=folder/linear"], ["--model_dir", "--model"]),
    "eval: a folder without a run": (
        evaluate,
        evaluated(model="--model_dir={place}/empty"),
        ["/empty/config.gin was not found", "brave_tf_train"],
    ),
    "eval: no labels": (
        evaluate,
        evaluated("--data={place}/unlabelled"),
        [
            "no clip of split 'train' has both rgb and a label",
            "a folder per class|one folder per class",
        ],
    ),
    "eval: no labels in the test split": (
        evaluate,
        evaluated("--data={place}/half_labelled"),
        [
            "no clip of split 'test' has both rgb and a label",
            "a folder per class|one folder per class",
        ],
    ),
    "eval: another split": (
        evaluate,
        evaluated("--gin_bindings=linear_svm.test_split = 'tset'"),
        ["no split 'tset'", "Did you mean test"],
    ),
    "eval: where nobody may write": (
        evaluate,
        [*evaluated()[:3], f"--output={FORBIDDEN}"],
        [f"{FORBIDDEN} cannot be written", DENIED, "--output"],
    ),
    "eval: a modality the model has not": (
        evaluate,
        evaluated(task="folder/linear_flow"),
        ["probes flow", "narrow (rgb)"],
    ),
    "eval: a checkpoint that is not there": (
        evaluate,
        evaluated("--checkpoint=7"),
        ["'7'", "one of the steps 2"],
    ),
    "eval: no data": (
        evaluate,
        ["--task=folder/linear", "--model_dir={place}/model"],
        ["folder/linear needs --data"],
    ),
    "export: no run": (
        export,
        ["--model_dir={place}/empty", "--output={new}"],
        ["/empty holds no run", "brave_tf_train"],
    ),
    "export: where nobody may write": (
        export,
        ["--model_dir={place}/model", f"--output={FORBIDDEN}"],
        [FORBIDDEN, DENIED, "Name a folder"],
    ),
    "export: over another model": (
        export,
        ["--model_dir={place}/model", "--output={place}/exported"],
        ["/exported is not empty", "--overwrite"],
    ),
    "export: not an .npy": (
        export,
        ["--model_dir={place}/model", "--output={new}", "--format=deepmind"],
        ["--format=deepmind, --output=", "name a .npy file"],
    ),
    "export: a misspelt end point": (
        export,
        ["--model_dir={place}/model", "--output={new}", "--end_points=last_cnov"],
        ["last_cnov", "Did you mean last_conv"],
    ),
    "import: not a checkpoint": (
        import_checkpoint,
        ["--checkpoint={place}/text.txt", "--output={new}"],
        ["--checkpoint=", "text.txt: no checkpoint", ".npy"],
    ),
    "import: an array": (
        import_checkpoint,
        ["--checkpoint={place}/array.npy", "--output={new}"],
        ["array.npy: no checkpoint", "params, state and config"],
    ),
    "import: no file": (
        import_checkpoint,
        ["--checkpoint={place}/v_a.npy", "--output={new}"],
        ["v_a.npy: cannot be read", "No such file"],
    ),
    "embed: where nobody may write": (
        embed,
        ["--model={place}/exported", "--input={place}/videos", f"--output={FORBIDDEN}/x.npz"],
        [f"{FORBIDDEN} cannot be written", DENIED, "--output"],
    ),
    "embed: no media": (
        embed,
        ["--model={place}/exported", "--input={place}/empty", "--output={new}.npz"],
        ["/empty", "no media files"],
    ),
    "embed: not an .npz": (
        embed,
        ["--model={place}/exported", "--input={place}/videos", "--output={new}.csv"],
        [".csv", "name a .npz file"],
    ),
    "embed: a split of media files": (
        embed,
        [
            "--model={place}/exported",
            "--input={place}/videos",
            "--output={new}.npz",
            "--split=test",
        ],
        ["--split=test", "clip records, which", "/videos does not hold"],
    ),
    "embed: an unknown view": (
        embed,
        [
            "--model={place}/exported",
            "--input={place}/videos",
            "--output={new}.npz",
            "--view=narow",
        ],
        ["--view=narow", "Did you mean narrow"],
    ),
    "inspect: nothing to look at": (inspect, [], ["--data", "--gin_file"]),
    "inspect: no records": (inspect, ["--data={place}/empty"], ["/empty", "brave_tf_prepare"]),
    "inspect: where nobody may write": (
        inspect,
        ["--data={place}/records", f"--output={FORBIDDEN}"],
        [f"{FORBIDDEN} cannot be written", DENIED, "--output"],
    ),
    "report: no run": (report, [], ["no RUN was given", "brave_tf_report runs/"]),
    "report: a folder without a run": (report, ["{place}/empty"], ["/empty", "brave_tf_train"]),
    "report: where nobody may write": (
        report,
        ["{place}/model", f"--output={FORBIDDEN}"],
        [f"{FORBIDDEN} cannot be written", DENIED, "--output"],
    ),
    "data service: a port that is taken": (
        data_service,
        ["--role=dispatcher", "--port={port}"],
        ["--port=", "Address already in use", "0 for any that is free"],
    ),
    "data service: no role": (data_service, [], ["--role is missing", "dispatcher or worker"]),
}
