"""Which splits the tasks of Kinetics take."""

import pytest

from brave_tf import config
from brave_tf.evaluation.protocols import linear_layer
from brave_tf.evaluation.tasks import registry


@pytest.mark.parametrize("dataset", ["kinetics400", "kinetics600"])
def test_a_linear_layer_is_scored_on_the_validation_split(monkeypatch, dataset):
    monkeypatch.setattr(linear_layer, "evaluate_head", lambda *arguments: arguments)
    task = registry.find_task(f"{dataset}/linear")
    assert (task.modality, task.data_dir) == ("rgb", f"data/{dataset}")
    _, data_dir, train, test, head = task.protocol(None, "records")
    assert (data_dir, train, test) == ("records", "train", "val")
    assert not (head.several_labels or head.hidden)
    config.load_config([], ["linear_layer.test_split = 'test'"])
    assert task.protocol(None, "records")[2:4] == ("train", "test")


@pytest.mark.parametrize("dataset", ["kinetics400", "kinetics600"])
def test_so_are_the_others(dataset):
    named = {name for name in registry.list_tasks() if name.startswith(f"{dataset}/")}
    assert {f"{dataset}/{kind}" for kind in ("linear", "finetune", "knn")} <= named
