"""The command brave_tf_export."""

import command
import pytest
import tensorflow as tf
import untrained_run

from brave_tf.cli import export as export_command
from brave_tf.training import checkpoints, recipe


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return untrained_run.write_run(tmp_path_factory.mktemp("export"))


def test_the_checkpoint_is_exported(model_dir, tmp_path, capsys):
    output = tmp_path / "deep" / "exported"
    assert command.run(export_command, f"--model_dir={model_dir}", f"--output={output}") == 0
    shown = capsys.readouterr().out
    assert sorted(path.name for path in output.iterdir()) == [
        "config.gin",
        "keras",
        "saved_model",
        "weights",
    ]
    assert (output / "config.gin").read_text() == (model_dir / "config.gin").read_text()

    objective = recipe.load_run(str(model_dir)).objective
    pixels = tf.random.stateless_uniform((2, 4, 16, 16, 3), (0, 0), 0, 256, tf.int32)
    pixels = tf.cast(pixels, tf.uint8)
    signature = tf.saved_model.load(str(output / "saved_model")).signatures["narrow_uint8"]
    expected = objective.embed("narrow", tf.cast(pixels, tf.float32) / 255)
    tf.debugging.assert_near(signature(video=pixels)["embedding"], expected, 1e-5, 1e-5)
    for name in ("narrow", "narrow_uint8", "narrow_frames", "broad_audio_spectrogram"):
        assert f"signature {name}: " in shown


def test_a_checkpoint_is_chosen_by_its_step(tmp_path, capsys):
    run = untrained_run.write_run(tmp_path)
    objective = recipe.load_run(str(run)).objective
    for weight in objective.backbones["narrow"].weights:
        weight.assign(weight * 1.5)
    checkpoints.save_weights(objective, str(run), 9)
    arguments = (f"--model_dir={run}", f"--output={tmp_path / 'out'}")
    assert command.run(export_command, *arguments, "--checkpoint=5") == 2
    assert "one of the steps 2, 9" in capsys.readouterr().err
    assert command.run(export_command, *arguments, "--checkpoint=2") == 0
    exported = tf.saved_model.load(str(tmp_path / "out" / "saved_model"))
    x = tf.random.stateless_uniform((2, 4, 16, 16, 3), (0, 0))
    expected = recipe.load_run(str(run), checkpoint="2").objective.embed("narrow", x)
    found = exported.signatures["narrow"](video=x)["embedding"]
    tf.debugging.assert_near(found, expected, 1e-5, 1e-5)
    assert int(exported.step) == 2


def test_end_points_are_answered(model_dir, tmp_path, capsys):
    arguments = (f"--model_dir={model_dir}", f"--output={tmp_path / 'out'}")
    assert command.run(export_command, *arguments, "--end_points=stage_1,last_conv") == 0
    assert "-> embedding, stage_1, last_conv" in capsys.readouterr().out
    signatures = tf.saved_model.load(str(tmp_path / "out" / "saved_model")).signatures
    for name, argument, values, rank in (
        ("narrow", "video", tf.zeros((2, 4, 16, 16, 3)), 5),
        ("broad_audio", "pcm", tf.zeros((2, 4800)), 4),
    ):
        answers = signatures[name](**{argument: values})
        assert sorted(answers) == ["embedding", "last_conv", "stage_1"]
        assert len(answers["last_conv"].shape) == rank
        assert answers["last_conv"].shape[-1] == answers["embedding"].shape[-1]

    assert command.run(export_command, *arguments, "--overwrite", "--end_points=stage1") == 2
    assert "Did you mean stage_1" in capsys.readouterr().err


def test_an_export_is_not_overwritten_unasked(model_dir, tmp_path, capsys):
    arguments = (f"--model_dir={model_dir}", f"--output={tmp_path}")
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "old").touch()
    (tmp_path / "results.json").write_text("{}")
    assert command.run(export_command, *arguments) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "saved_model" / "old").exists()

    assert command.run(export_command, *arguments, "--overwrite") == 0
    assert not (tmp_path / "saved_model" / "old").exists()
    assert (tmp_path / "saved_model" / "saved_model.pb").exists()
    assert (tmp_path / "results.json").read_text() == "{}"
    assert [path.name for path in tmp_path.parent.glob(f".{tmp_path.name}*")] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output={out}"], "--model_dir is missing"),
        (["--model_dir={run}"], "--output is missing"),
        (["--model_dir=nowhere", "--output={out}"], "nowhere"),
        (["--model_dir={run}", "--output={file}"], "is a file"),
    ],
)
def test_mistakes_are_named(model_dir, tmp_path, capsys, arguments, message):
    (tmp_path / "file").touch()
    places = {"run": model_dir, "out": tmp_path / "out", "file": tmp_path / "file"}
    code = command.run(export_command, *(argument.format(**places) for argument in arguments))
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_without_checkpoint_cannot_be_exported(model_dir, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.gin").write_text((model_dir / "config.gin").read_text())
    output = tmp_path / "out"
    code = command.run(export_command, f"--model_dir={tmp_path / 'run'}", f"--output={output}")
    assert code == 2
    assert "no checkpoint" in capsys.readouterr().err
    assert not output.exists()
