"""Models, precisions and data that share an output: their results, predictions and charts stay apart."""

import json
import os
import shutil

import coloured_records
import command
import numpy as np
import pytest
import tensorflow as tf
import untrained_run

from brave_tf.cli import eval as eval_command
from brave_tf.cli import export as export_command
from brave_tf.evaluation.features.probe import load_probes
from brave_tf.evaluation.tasks import registry
from brave_tf.interop import models

TASKS = """
import gin
import numpy as np
import tensorflow as tf
from brave_tf.evaluation.protocols.outcome import Outcome, Predictions
from brave_tf.evaluation.tasks.registry import Task, register_task

@gin.configurable
def embedded(probe, data_dir, factor=1.0):
    features = probe.backbone.embed(tf.ones((1, *probe.view.shape))).numpy()
    keys = np.array(["test/0"])
    found = Predictions(keys, np.array([0]), keys, factor * features)
    clips = {"train": 1, "test": 1, "missing": 0}
    return Outcome({"top1": factor * float(features.mean())}, clips, {"data": data_dir}, found)

register_task(Task("mine/embedded", "rgb", embedded, "the mean feature of a white window"))
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder with `records`, a run `model` and its export `exported`."""
    folder = tmp_path_factory.mktemp("identity")
    model_dir = untrained_run.write_run(folder)
    export(model_dir, folder / "exported")
    return folder


@pytest.fixture
def folder(original, tmp_path):
    """A copy of it."""
    shutil.copytree(original, tmp_path / "here", symlinks=True)
    return tmp_path / "here"


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """The flags for a task whose result says what the weights, precision and bindings are."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "my_embedded_task.py").write_text(TASKS)
    (folder / "mine.gin").write_text("import my_embedded_task\n")
    registry.list_tasks()  # Otherwise those of the package would go with these.
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(registry, "_TASKS", dict(registry._TASKS))
        yield ("--task=mine/embedded", f"--gin_file={folder / 'mine.gin'}")


def export(model_dir, output):
    flags = (f"--model_dir={model_dir}", f"--output={output}", "--overwrite")
    assert command.run(export_command, *flags) == 0


def evaluate(folder, *arguments):
    assert command.run(eval_command, f"--data={folder / 'records'}", *arguments) == 0


def read(output):
    """Returns the results, each with the features that its own file of predictions holds."""
    found = json.loads((output / "results.json").read_text())["results"]
    for entry in found:
        with np.load(output / entry["predictions"]) as file:
            entry["features"] = file["decisions"][0]
    return found


def check_predictions(found):
    for entry in found:
        assert entry["metrics"]["top1"] == pytest.approx(entry["features"].mean(), rel=1e-6)


def expected(model_dir):
    """The feature, by the run's own backbone."""
    of = models.ModelSource(str(model_dir))
    models.configure(of, [], [])
    probe = load_probes(of, of.views())[0]("narrow")
    return float(np.mean(probe.backbone.embed(tf.ones((1, *probe.view.shape)))))


def test_a_model_exported_twice_to_one_folder(folder, task):
    exported, output = folder / "exported", folder / "out"
    flags = (*task, f"--model={exported}", f"--output={output}")
    evaluate(folder, *flags)
    first = expected(folder / "model")
    untrained_run.change_weights(folder / "model", 1.5)
    export(folder / "model", exported)
    evaluate(folder, *flags)
    found = read(output)
    assert [entry["metrics"]["top1"] for entry in found] == [
        pytest.approx(value, rel=1e-4) for value in (first, expected(folder / "model"))
    ]
    check_predictions(found)
    assert found[0]["identity"]["weights"] != found[1]["identity"]["weights"]
    evaluate(folder, *flags)
    assert len(read(output)) == 2


def test_two_models_in_one_output(folder, task):
    shutil.copytree(folder / "model", folder / "other" / "model")
    untrained_run.change_weights(folder / "other" / "model", 1.5)
    output = folder / "out"
    for model in (folder / "model", folder / "other" / "model"):
        evaluate(folder, *task, f"--model_dir={model}", f"--output={output}")
    found = read(output)
    assert [entry["model"] for entry in found] == [
        str(folder / "model"),
        str(folder / "other" / "model"),
    ]
    assert found[0]["metrics"] != found[1]["metrics"]
    check_predictions(found)


def test_two_precisions_in_one_output(folder, task):
    output = folder / "out"
    precisions = ("float32", "mixed_bfloat16")
    for precision in precisions:
        flags = (f"--model_dir={folder / 'model'}", f"--precision={precision}")
        evaluate(folder, *task, *flags, f"--output={output}")
    found = read(output)
    assert [entry["identity"]["precision"] for entry in found] == list(precisions)
    assert found[0]["identity"]["weights"] == found[1]["identity"]["weights"]
    assert found[0]["metrics"] != found[1]["metrics"]
    check_predictions(found)


def test_two_relative_paths_to_one_model(folder, task, monkeypatch):
    (folder / "elsewhere").mkdir()
    (folder / "link").symlink_to("model")
    for place, path in ((folder, "model"), (folder / "elsewhere", "../model"), (folder, "link")):
        monkeypatch.chdir(place)
        evaluate(folder, *task, f"--model_dir={path}", f"--output={folder / 'out'}")
    (result,) = read(folder / "out")
    assert result["model"] == os.path.realpath(folder / "model")


def test_one_relative_path_to_two_models(folder, task, monkeypatch):
    shutil.copytree(folder / "model", folder / "b" / "model")
    untrained_run.change_weights(folder / "b" / "model", 1.5)
    for place in (folder, folder / "b"):
        monkeypatch.chdir(place)
        evaluate(folder, *task, "--model_dir=model", f"--output={folder / 'out'}")
    found = read(folder / "out")
    assert len(found) == 2
    check_predictions(found)


def test_one_task_on_two_data_sets_in_one_output(folder, task):
    coloured_records.write(folder / "others" / "records", {"train": 2, "test": 2})
    for place in (folder, folder / "others", folder):
        evaluate(place, *task, f"--model_dir={folder / 'model'}", f"--output={folder / 'out'}")
    found = read(folder / "out")
    assert [entry["settings"]["data"] for entry in found] == [
        str(folder / "others" / "records"),
        str(folder / "records"),
    ]
    check_predictions(found)


def charted(model_dir):
    """Returns tag -> step -> all values that the charts have."""
    found = {}
    for path in sorted((model_dir / "tensorboard" / "eval").glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                at = found.setdefault(value.tag, {}).setdefault(event.step, [])
                at.append(tf.make_ndarray(value.tensor).item())
    return found


def test_watching_with_a_shared_output(folder, task):
    shutil.copytree(folder / "model", folder / "other")
    untrained_run.change_weights(folder / "other", 1.5)
    for name in ("model", "other"):
        flags = (f"--model_dir={folder / name}", f"--output={folder / 'out'}", "--watch")
        evaluate(folder, *task, *flags)
    for name in ("model", "other"):
        ((values,),) = [each.values() for each in charted(folder / name).values()]
        assert values == [pytest.approx(expected(folder / name), rel=1e-5)]
    check_predictions(read(folder / "out"))


def test_watching_a_folder_that_was_trained_anew(folder, task):
    flags = (*task, f"--model_dir={folder / 'model'}", "--watch")
    evaluate(folder, *flags)
    untrained_run.change_weights(folder / "model", 1.5)
    evaluate(folder, *flags)
    value = pytest.approx(expected(folder / "model"), rel=1e-5)
    assert charted(folder / "model") == {"eval/mine/embedded/top1": {2: [value]}}
    found = read(folder / "model" / "eval")
    assert len(found) == 2 and found[1]["metrics"]["top1"] == value
    check_predictions(found)


@pytest.mark.parametrize(
    "change",
    [
        "--gin_bindings=embedded.factor = 2.0",
        "--gin_bindings=eval_windows.seed = 1",
        "--precision=mixed_bfloat16",
    ],
)
def test_watching_with_other_settings_measures_anew(folder, task, change, monkeypatch):
    flags = (*task, f"--model_dir={folder / 'model'}", "--watch")
    evaluate(folder, *flags)
    before = (folder / "model" / "eval" / "results.json").read_text()
    evaluate(folder, *flags)
    assert (folder / "model" / "eval" / "results.json").read_text() == before
    evaluate(folder, *flags, change)
    found = read(folder / "model" / "eval")
    assert found[-1]["identity"] != json.loads(before)["results"][0]["identity"]
    ((values,),) = [each.values() for each in charted(folder / "model").values()]
    assert values == [pytest.approx(found[-1]["metrics"]["top1"], rel=1e-6)]


def test_what_only_training_reads_does_not_make_a_result_stale(folder, task):
    flags = (*task, f"--model_dir={folder / 'model'}", "--watch")
    evaluate(folder, *flags)
    before = (folder / "model" / "eval" / "results.json").read_text()
    evaluate(folder, *flags, "--gin_bindings=train.num_steps = 60")
    assert (folder / "model" / "eval" / "results.json").read_text() == before


def test_features_of_another_model_are_not_deleted(folder):
    shutil.copytree(folder / "model", folder / "other")
    untrained_run.change_weights(folder / "other", 1.5)
    fast = [f"--gin_bindings=eval_windows.{n} = 1" for n in ("train_passes", "temporal_crops")]
    flags = ("--task=folder/knn", f"--output={folder / 'out'}", *fast)
    evaluate(folder, *flags, f"--model_dir={folder / 'model'}")
    kept = sorted((folder / "out" / "features").rglob("*.npz"))
    assert kept
    evaluate(folder, *flags, f"--model_dir={folder / 'other'}", "--nokeep_features")
    assert sorted((folder / "out" / "features").rglob("*.npz")) == kept
