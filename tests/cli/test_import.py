"""The command brave_tf_import, and brave_tf_export --format=deepmind, which undoes it."""

import dataclasses
import json
import os

import command
import numpy as np
import pytest
import reference
import tensorflow as tf
import tiny_released
import tiny_run

from brave_tf.cli import eval as eval_command
from brave_tf.cli import export as export_command
from brave_tf.cli import import_checkpoint as import_command
from brave_tf.interop.deepmind import haiku_file
from brave_tf.training import recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`released.npy`, a checkpoint with arrays that nothing uses; `imported`, what the command makes."""
    root = tmp_path_factory.mktemp("import")
    checkpoint = tiny_released.make_checkpoint()
    copies = {
        path.replace("shared_project", "shared_project_1"): arrays
        for path, arrays in checkpoint.params.items()
        if path.startswith("shared_project/")
    }
    params = {**checkpoint.params, **copies}
    haiku_file.write(str(root / "released.npy"), dataclasses.replace(checkpoint, params=params))
    assert run_import(root / "released.npy", root / "imported") == 0
    return root


def run_import(checkpoint, output, *arguments):
    flags = [f"--checkpoint={checkpoint}", f"--output={output}"]
    return command.run(import_command, *flags, *arguments)


def test_what_was_made_and_what_was_not_used_is_told(folder, tmp_path, capsys):
    assert run_import(folder / "released.npy", tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert (
        "view narrow: narrow_video_embedding, tsm_resnet of depth 18 and width x0.125, 64 features, "
        "heads shared_project\n"
    ) in shown
    assert "view broad_audio: broad_audio_embedding, audio_resnet of depth 18" in shown
    assert "signature broad_audio: pcm float32 (?, ?) -> embedding" in shown
    assert "not used: shared_project_1, 728 parameters; the released code creates" in shown
    assert "--task=folder/linear" in shown
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"checkpoints", "config.gin", "saved_model"} < made


def test_the_saved_model_and_the_run_embed_alike(folder):
    run = recipe.load_run(str(folder / "imported"))
    model = tf.saved_model.load(str(folder / "imported" / "saved_model"))
    assert run.step == int(model.step) == tiny_released.STEP
    video = tf.random.stateless_uniform((2, 5, 20, 24, 3), (0, 1))
    got = model.signatures["narrow"](video=video)["embedding"]
    tf.debugging.assert_near(got, run.objective.embed("narrow", video), 1e-5, 1e-5)


def test_an_imported_model_is_evaluated(folder, tmp_path):
    records = tiny_run.write_records(tmp_path / "records")
    code = command.run(
        eval_command,
        "--task=folder/linear",
        f"--model={folder / 'imported'}",
        f"--data={records}",
        f"--output={tmp_path / 'eval'}",
        "--gin_bindings=eval_windows.train_passes = 1",
        "--gin_bindings=eval_windows.temporal_crops = 1",
    )
    assert code == 0
    (result,) = json.loads((tmp_path / "eval" / "results.json").read_text())["results"]
    assert (result["view"], result["step"]) == ("narrow", tiny_released.STEP)
    assert result["clips"]["test"] == 12


def test_exported_again_it_is_the_same_checkpoint(folder, tmp_path, capsys):
    arguments = (f"--model_dir={folder / 'imported'}", f"--output={tmp_path / 'again.npy'}")
    assert command.run(export_command, *arguments, "--format=deepmind") == 0
    assert f"exported {folder / 'imported'} to {tmp_path / 'again.npy'}" in capsys.readouterr().out
    again = haiku_file.read(str(tmp_path / "again.npy"))
    tiny_released.assert_equal(again, tiny_released.make_checkpoint())
    assert command.run(export_command, *arguments, "--format=deepmind") == 2
    shown = capsys.readouterr().err
    assert "--overwrite is not given" in shown and "again.npy exists. Name another file" in shown
    assert command.run(export_command, *arguments, "--format=deepmind", "--overwrite") == 0


class Hostile:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_a_hostile_file_is_refused(tmp_path, capsys):
    params = {"m": {"w": Hostile(tmp_path / "marker")}}
    content = {"params": params, "state": {}, "config": {}}
    np.save(tmp_path / "a.npy", content, allow_pickle=True)
    assert run_import(tmp_path / "a.npy", tmp_path / "out") == 2
    shown = capsys.readouterr().err
    assert "asks for posix.system" in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "marker").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint="], "--checkpoint is empty"),
        (["--output="], "--output is empty"),
        (["--checkpoint=nowhere.npy"], "--checkpoint=nowhere.npy: cannot be read: No such file"),
        (["--checkpoint={text}"], "does not begin as a .npy file does"),
        (["--checkpoint={array}"], "it holds an array of float64 of shape (3,)"),
        (["--checkpoint={wrong}"], "block_1/conv_0/w has shape (3, 3, 8, 9), the model's stage_1"),
        (["--output={full}"], "is not empty"),
        (["--output={trained}", "--overwrite"], "holds a run that brave_tf_train wrote"),
    ],
)
def test_mistakes_are_named(folder, tmp_path, capsys, arguments, message):
    (tmp_path / "text").write_text("hello")
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "operative_config.gin").touch()
    checkpoint = tiny_released.make_checkpoint()
    params = {path: dict(arrays) for path, arrays in checkpoint.params.items()}
    conv = "narrow_video_embedding/TSMResNetV2/tsm_resnet_unit_0/block_1/conv_0"
    params[conv]["w"] = np.zeros((3, 3, 8, 9), np.float32)
    haiku_file.write(str(tmp_path / "wrong.npy"), dataclasses.replace(checkpoint, params=params))
    places = {"array": "array.npy", "wrong": "wrong.npy", "text": "text", "full": "full"}
    places["trained"] = "trained"
    places = {name: tmp_path / place for name, place in places.items()}
    arguments = [argument.format(**places) for argument in arguments]
    assert run_import(folder / "released.npy", tmp_path / "out", *arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_a_checkpoint_of_full_size_embeds_as_the_reference_does(golden_dir, tmp_path):
    recipe_module = reference.recipe(golden_dir)
    spec = recipe_module.load_spec(str(golden_dir / "spec_v_a_1x.json"))
    recipe_module.save_checkpoint(spec, str(tmp_path / "a.npy"))
    assert run_import(tmp_path / "a.npy", tmp_path / "out") == 0
    signatures = tf.saved_model.load(str(tmp_path / "out" / "saved_model")).signatures
    golden, cases = reference.values(golden_dir, "forward_eval_1x")
    for case, signature, argument in (
        ("narrow/C", "narrow", "video"),
        ("audio/C", "broad_audio_spectrogram", "spectrogram"),
    ):
        x = tf.constant(reference.model_input(golden_dir, cases[case]["input"]))
        got = signatures[signature](**{argument: x})["embedding"].numpy()
        assert reference.error(got, golden[f"{case}/embedding_f64"]) < 1e-5
    exported = tmp_path / "again.npy"
    arguments = (f"--model_dir={tmp_path / 'out'}", f"--output={exported}", "--format=deepmind")
    assert command.run(export_command, *arguments) == 0
    used = haiku_file.read(str(tmp_path / "a.npy"))
    kept = [
        {k: v for k, v in modules.items() if not k.startswith("shared_project_")}
        for modules in (used.params, used.state)
    ]
    again = haiku_file.read(str(exported))
    tiny_released.assert_equal(again, haiku_file.Checkpoint(*kept, used.config))
    assert again.config == used.config
