"""Results, features and fine-tunings that an earlier version wrote are known again."""

import json
import shutil
from unittest import mock

import command
import numpy as np
import pytest
import tensorflow as tf
import written_files

from brave_tf.cli import embed as embed_command
from brave_tf.cli import eval as eval_command

MODELS = {"run": "--model_dir=runs/mine", "export": "--model=exported"}
SETTINGS = (
    f"--task={','.join(written_files.TASKS)}",
    "--data=records",
    "--gin_file=evaluation.gin",
)
# Of an entry, those that say how the evaluation went, not what it found.
_CHANCE = ("seconds", "model")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the user has, as the present folder."""
    monkeypatch.chdir(written_files.unpack(tmp_path / "user"))
    return tmp_path / "user"


def entries(folder):
    """Returns the results by task, without their times, and the predictions of each."""
    found = json.loads((folder / "results.json").read_text())["results"]
    return {
        each["task"]: {name: value for name, value in each.items() if name not in _CHANCE}
        for each in found
    }


@pytest.mark.parametrize("model", MODELS)
def test_features_and_fine_tunings_are_used_and_results_are_the_same(model, folder, capsys):
    output = folder / "results" / model
    old, predictions = entries(output), {}
    for task, entry in old.items():
        with np.load(output / entry["predictions"]) as file:
            predictions[task] = file["decisions"]
    kept = {name: written_files.contents(output / name) for name in ("features", "finetune")}
    assert command.run(eval_command, *SETTINGS, MODELS[model], f"--output={output}") == 0
    shown = capsys.readouterr()
    # The line of the embedding of windows, and that of a training.
    assert "windows" not in shown.err
    assert "resuming" in shown.out and "at step 2 of 2" in shown.out
    for name, before in kept.items():
        after = written_files.contents(output / name)
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        # A run that is complete writes down again what it is resumed with.
        assert {path.rpartition("/")[2] for path in changed} <= {
            "config.gin",
            "operative_config.gin",
        }
    new = entries(output)
    assert new.keys() == old.keys() == set(written_files.TASKS)
    for task, entry in new.items():
        assert entry["identity"] == old[task]["identity"], task
        assert entry["metrics"] == old[task]["metrics"], task
        with np.load(output / entry["predictions"]) as file:
            np.testing.assert_allclose(file["decisions"], predictions[task], rtol=1e-4, atol=1e-5)


def test_watching_finds_all_results_of_the_run(folder, capsys):
    shutil.rmtree(folder / "results/run/features")
    before = written_files.contents(folder / "results/run")
    flags = (*SETTINGS, MODELS["run"], "--output=results/run", "--watch")
    with mock.patch("time.sleep"):
        assert command.run(eval_command, *flags) == 0
    assert "folder/linear: view" not in capsys.readouterr().out
    assert written_files.contents(folder / "results/run") == before
    charts = {}
    for path in (folder / "runs/mine/tensorboard/eval").glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                charts[value.tag] = (event.step, float(tf.make_ndarray(value.tensor)))
    for task, entry in entries(folder / "results/run").items():
        step, top1 = charts[f"eval/{task}/top1"]
        assert (step, top1) == (4, pytest.approx(entry["metrics"]["top1"]))


def test_features_computed_anew_are_those_that_were_kept(folder):
    flags = (*SETTINGS[1:], "--task=folder/knn,folder/knn_audio,folder/knn_flow")
    assert command.run(eval_command, *flags, MODELS["run"], "--output=anew") == 0
    new = sorted((folder / "anew/features").glob("*/*/part-*.npz"))
    assert len(new) == 9
    for path in new:
        with (
            np.load(path) as file,
            np.load(folder / "results/run" / path.relative_to(folder / "anew")) as old,
        ):
            for name in old.files:
                if name == "features":
                    np.testing.assert_allclose(file[name], old[name], rtol=1e-4, atol=1e-5)
                else:
                    np.testing.assert_array_equal(file[name], old[name])


@pytest.mark.parametrize("model", MODELS.values())
def test_clips_are_embedded_as_before(model, folder):
    assert command.run(embed_command, model, "--input=records", "--output=new.npz") == 0
    with np.load("new.npz") as new, np.load("embedded.npz") as old:
        assert set(new.files) == set(old.files)
        for name in old.files:
            if name.endswith("/features"):
                np.testing.assert_allclose(new[name], old[name], rtol=1e-5, atol=1e-5)
            else:
                np.testing.assert_array_equal(new[name], old[name])
