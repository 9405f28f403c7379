"""The plug-in of examples/ from training to evaluation."""

import json

import command
import gin
import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from brave_tf import config
from brave_tf.cli import eval as eval_command
from brave_tf.cli import export as export_command
from brave_tf.cli import train as train_command
from brave_tf.configuration import trust
from brave_tf.training import recipe

FOLDER = config.RECIPE_DIR.parent / "examples" / "plugin"
PARTS = """
import brave_tf_contrast
Recipe.objective = @Contrast
Contrast.backbones = {'narrow': @frame_average(), 'broad_audio': @broad_audio/audio_light()}
Contrast.size = 8
frame_average.widths = (8, 16)
eval_windows.train_passes = 2
eval_windows.temporal_crops = 2
"""


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def test_its_gin_file_makes_a_model_that_takes_a_step():
    config.load_config([str(FOLDER / "contrast.gin")])
    made = recipe.Recipe()
    objective = made.build(seed=0)
    objective.compile(optimizer=gin.query_parameter("train.optimizer").scoped_configurable_fn())
    rng = np.random.default_rng(0)
    batch = {
        view: rng.normal(size=(2, *(size or 64 for size in spec.shape))).astype(np.float32)
        for view, spec in made.views.items()
    }
    before = objective.backbones["narrow"].get_weights()
    for _ in range(2):  # the warm-up begins with a rate of 0
        logs = objective.train_on_batch({**batch, "label": np.array([-1, -1])}, return_dict=True)
    assert np.isfinite(logs["loss"])
    assert "loss/narrow_broad_audio" in logs
    after = objective.backbones["narrow"].get_weights()
    assert any(np.abs(a - b).max() > 0 for a, b in zip(before, after))


def test_the_loss_is_the_mean_cross_entropy_of_rows_and_columns():
    import brave_tf_contrast

    rng = np.random.default_rng(0)
    narrow, broad = (tf.keras.Sequential([tf.keras.Input((5,))]) for _ in range(2))
    backbones = {"narrow": narrow, "broad_audio": broad}
    objective = brave_tf_contrast.Contrast(backbones, size=3, temperature=0.5)
    batch = {view: rng.normal(size=(4, 5)).astype(np.float32) for view in backbones}
    loss = objective.terms(batch, training=True).losses["narrow_broad_audio"]

    a, b = (batch[v] @ objective.projections[v].kernel.numpy() for v in ("narrow", "broad_audio"))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    odds = np.exp(a @ b.T / 0.5)
    own = np.diag(odds)
    expected = -(np.log(own / odds.sum(axis=1)) + np.log(own / odds.sum(axis=0))) / 2
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_it_is_trained_evaluated_and_exported_by_the_commands(tmp_path, capsys, monkeypatch):
    data = tiny_run.write_records(tmp_path / "data")
    path = tiny_run.write_recipe(tmp_path, data, PARTS)
    run = f"--model_dir={tmp_path / 'run'}"
    assert command.run(train_command, f"--gin_file={path}", run) == 0
    tasks = "--task=contrast/nearest_mean,contrast/nearest_mean_audio,folder/knn"
    # Another process knows nothing of what was named to train.
    monkeypatch.setattr(trust, "_named", set())
    assert command.run(eval_command, tasks, run, f"--data={data}") == 2
    named = "--trust=brave_tf_contrast"
    assert named in capsys.readouterr().err
    assert command.run(eval_command, tasks, run, f"--data={data}", named) == 0
    results = json.loads((tmp_path / "run" / "eval" / "results.json").read_text())["results"]
    assert [result["task"] for result in results] == tasks.partition("=")[2].split(",")
    assert all(0 <= result["metrics"]["top1"] <= 1 for result in results)
    assert command.run(export_command, run, f"--output={tmp_path / 'exported'}", named) == 0
    capsys.readouterr()
    assert command.run(eval_command, "--list", f"--gin_file={path}") == 0
    assert "contrast/nearest_mean " in capsys.readouterr().out
