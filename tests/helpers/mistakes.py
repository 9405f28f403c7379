"""Mistakes that users make: the command, its flags, and parts of the message.

`{place}` stands for the folder that the test makes, `{new}` for one that is not there yet, and `|` between
what may stand in a message.
"""

from brave_tf.cli import data_service, embed, export, import_checkpoint, inspect, prepare, train
from brave_tf.cli import eval as evaluate

SMALL = ["--fps=10", "--min_side=32", "--flow=none", "--sample_rate=8000"]


def prepared(*flags):
    return ["--input={place}/videos", "--output={new}", *SMALL, *flags]


def trained(*bindings, recipe="{place}/tiny.gin"):
    return [f"--gin_file={recipe}", "--model_dir={new}", *(f"--gin_bindings={b}" for b in bindings)]


def evaluated(*flags, task="folder/linear", model="--model_dir={place}/model"):
    return [f"--task={task}", model, "--data={place}/records", "--output={new}", *flags]


MISTAKES = {
    "prepare: no input": (prepare, ["--output={new}"], ["--input is missing"]),
    "prepare: no such folder": (
        prepare,
        ["--input={place}/vidoes", "--output={new}"],
        ["/vidoes: no such folder or CSV", "a folder of media files"],
    ),
    "prepare: nothing in the folder": (
        prepare,
        ["--input={place}/empty", "--output={new}"],
        ["/empty: holds no media files", ".mp4"],
    ),
    "prepare: misspelt column": (
        prepare,
        ["--input={place}/typo.csv", "--output={new}"],
        ["no column 'path' in line 1", "Did you mean paht"],
    ),
    "prepare: only a header": (
        prepare,
        ["--input={place}/header.csv", "--output={new}"],
        ["header.csv", "a header but no clips"],
    ),
    "prepare: end before start": (
        prepare,
        ["--input={place}/times.csv", "--output={new}"],
        ["times.csv: line 2", "end"],
    ),
    "prepare: a word for a number": (
        prepare,
        ["--input={place}/words.csv", "--output={new}"],
        ["words.csv: line 2", "soon"],
    ),
    "prepare: a column twice": (
        prepare,
        ["--input={place}/twice.csv", "--output={new}"],
        ["two columns 'path'"],
    ),
    "prepare: an unquoted comma": (
        prepare,
        ["--input={place}/commas.csv", "--output={new}"],
        ["commas.csv: line 2", "quote cells that hold a comma"],
    ),
    "prepare: not UTF-8": (
        prepare,
        ["--input={place}/latin.csv", "--output={new}"],
        ["latin.csv", "UTF-8"],
    ),
    "prepare: splits beside classes": (
        prepare,
        ["--input={place}/mixed", "--output={new}"],
        ["named like splits", "'cat' is not", "Move the others elsewhere"],
    ),
    "prepare: unknown flow": (
        prepare,
        ["--input={place}/videos", "--output={new}", "--flow=tvl2"],
        ["--flow=tvl2", "Did you mean tvl1"],
    ),
    "prepare: a share above 1": (
        prepare,
        prepared("--test_fraction=20"),
        ["--test_fraction=20", "[0, 1)"],
    ),
    "prepare: quality out of range": (
        prepare,
        prepared("--jpeg_quality=200"),
        ["--jpeg_quality=200", "from 1 to 100"],
    ),
    "prepare: into a folder of other things": (
        prepare,
        ["--input={place}/videos", "--output={place}/records"],
        ["/records: holds another preparation", "Choose another folder"],
    ),
    "prepare: into a file": (
        prepare,
        ["--input={place}/videos", "--output={place}/text.txt"],
        ["text.txt", "cannot be written"],
    ),
    "prepare: an unknown runner": (
        prepare,
        prepared("--runner=flink"),
        ["--runner=flink", "local, beam"],
    ),
    "prepare: an unknown flag": (prepare, prepared("--frames=3"), ["'frames'", "--fps"]),
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
        ["'broad_audio' needs audio", "/silent has", "Take the view out"],
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
    "eval: a modality the model has not": (
        evaluate,
        evaluated(task="folder/linear_flow"),
        ["flow", "narrow (rgb)"],
    ),
    "eval: a checkpoint that is not there": (
        evaluate,
        evaluated("--checkpoint=7"),
        ["'7'", "2"],
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
    "export: over another model": (
        export,
        ["--model_dir={place}/model", "--output={place}/exported"],
        ["/exported is not empty", "--overwrite"],
    ),
    "export: a misspelt end point": (
        export,
        ["--model_dir={place}/model", "--output={new}", "--end_points=last_cnov"],
        ["last_cnov", "Did you mean last_conv"],
    ),
    "import: not a checkpoint": (
        import_checkpoint,
        ["--checkpoint={place}/text.txt", "--output={new}"],
        ["text.txt is no checkpoint", ".npy"],
    ),
    "import: an array": (
        import_checkpoint,
        ["--checkpoint={place}/array.npy", "--output={new}"],
        ["array.npy is no checkpoint", "params, state and config"],
    ),
    "import: no file": (
        import_checkpoint,
        ["--checkpoint={place}/v_a.npy", "--output={new}"],
        ["v_a.npy cannot be read", "No such file"],
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
    "data service: no role": (data_service, [], ["--role is missing", "dispatcher or worker"]),
}
