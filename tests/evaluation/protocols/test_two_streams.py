"""Averages of decisions that are known."""

import types

import gin
import numpy as np
import pytest
import tiny_run

from brave_tf.errors import UserError
from brave_tf.evaluation import results
from brave_tf.evaluation.features.identity import Identity, of_data
from brave_tf.evaluation.protocols.outcome import Predictions
from brave_tf.evaluation.protocols.two_streams import two_streams
from brave_tf.evaluation.tasks import registry

KEYS = np.array(["test/0", "test/1", "test/2", "test/10"])
LABELS = np.array([0, 1, 2, 0])
PATHS = np.array(["a", "b", "c", "d"])
# Each is right where the other is not; their averages are right but for the last clip.
RGB = np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0.5, 0.1, 0.4], [0.2, 0.8, 0]], np.float32)
FLOW = np.array([[0.4, 0.6, 0], [0.1, 0.9, 0], [0.1, 0.2, 0.7], [0.4, 0.6, 0]], np.float32)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return str(tiny_run.write_records(tmp_path_factory.mktemp("records"), clips=4))


@pytest.fixture
def save(tmp_path, records):
    def save(folder, task, decisions, weights="rgb", order=slice(None), **changes):
        columns = {"keys": KEYS, "labels": LABELS, "paths": PATHS, **changes}
        columns = {name: values[order] for name, values in columns.items()}
        found = Predictions(
            **columns, decisions=decisions[order], classes=np.array(["x", "y", "z"])
        )
        result = results.Result(
            task=task,
            model=weights,
            view="narrow",
            step=3,
            baseline=None,
            metrics={"top1": 0.5},
            clips={"train": 4, "test": 4, "missing": 0},
            seconds=1.0,
            settings={},
            identity=Identity(weights, "float32", of_data(records), "settings"),
        )
        results.save_result(str(tmp_path / folder), result, found)

    return save


def run(tmp_path, records, **options):
    probe = types.SimpleNamespace(
        output=str(tmp_path / "rgb"), backbone=types.SimpleNamespace(weights="rgb")
    )
    options = {"tasks": ("folder/finetune", "folder/finetune_flow"), **options}
    return two_streams(probe, records, other=str(tmp_path / "flow"), **options)


def test_probabilities_are_averaged_by_clip(tmp_path, records, save):
    save("rgb", "folder/finetune", RGB)
    save("rgb", "folder/finetune", FLOW, weights="another model in the folder")
    # In another order, as clips are read.
    save("flow", "folder/finetune_flow", FLOW, "flow", order=[3, 1, 0, 2])
    outcome = run(tmp_path, records)
    order = np.argsort(KEYS)
    np.testing.assert_array_equal(outcome.predictions.keys, KEYS[order])
    np.testing.assert_allclose(outcome.predictions.decisions, ((RGB + FLOW) / 2)[order])
    assert outcome.metrics["top1"] == pytest.approx(3 / 4)
    assert outcome.clips == {"train": 0, "test": 4, "missing": 0}
    assert [each["model"] for each in outcome.settings["streams"]] == ["rgb", "flow"]


def test_each_official_split_has_its_own_decisions(tmp_path, records, save):
    # The second official split tests the clips of `train`, and no other.
    keys = np.array(["test/0", "test/1", "train/0", "train/1"])
    split = np.array([1, 1, 2, 2])
    save("rgb", "folder/finetune", RGB, keys=keys, split=split)
    save("flow", "folder/finetune_flow", FLOW, "flow", keys=keys, split=split)
    for number, name in ((0, "test"), (2, "train")):
        found = run(tmp_path, records, test_split=name).predictions
        np.testing.assert_array_equal(found.keys, keys[number : number + 2])
        np.testing.assert_allclose(found.decisions, ((RGB + FLOW) / 2)[number : number + 2])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": LABELS[::-1]}, "not of the same clips"),
        ({"paths": PATHS[::-1]}, "not of the same clips"),
        ({"keys": np.array(["train/0", "train/1", "train/2", "train/3"])}, "no decisions about"),
    ],
)
def test_other_clips_are_refused(tmp_path, records, save, changed, message):
    save("rgb", "folder/finetune", RGB)
    save("flow", "folder/finetune_flow", FLOW, "flow", **changed)
    with pytest.raises(UserError, match=message):
        run(tmp_path, records)


def test_results_have_to_be_there_and_to_be_told_apart(tmp_path, records, save):
    with pytest.raises(UserError, match="rgb has 0 results of folder/finetune for this model"):
        run(tmp_path, records)
    save("rgb", "folder/finetune", RGB)
    for weights in ("one", "two"):
        save("flow", "folder/finetune_flow", FLOW, weights)
    with pytest.raises(UserError, match="flow has 2 results of folder/finetune_flow"):
        run(tmp_path, records)
    with pytest.raises(UserError, match="two_streams.tasks = 'folder/finetune': expected two"):
        run(tmp_path, records, tasks="folder/finetune")


def test_it_is_a_task(tmp_path, records, save):
    save("rgb", "folder/finetune", RGB)
    save("flow", "folder/finetune_flow", FLOW, "flow")
    gin.parse_config(f"two_streams.other = '{tmp_path / 'flow'}'")
    gin.parse_config("two_streams.tasks = ('folder/finetune', 'folder/finetune_flow')")
    probe = types.SimpleNamespace(
        output=str(tmp_path / "rgb"), backbone=types.SimpleNamespace(weights="rgb")
    )
    task = registry.find_task("folder/two_streams")
    assert task.protocol(probe, records).metrics["top1"] == pytest.approx(3 / 4)
    names = registry.list_tasks()
    assert {"ucf101/two_streams", "hmdb51/two_streams", "ucf101/linear_layer"} <= set(names)
