"""The tasks of datasets."""

import pytest

from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.outcome import Outcome
from brave_tf.evaluation.tasks import registry
from brave_tf.evaluation.tasks.families import register_tasks


@pytest.fixture(autouse=True)
def _forget_new_tasks(monkeypatch):
    registry.list_tasks()
    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))


def spy(probe, data_dir, train_split="train", test_split="test"):
    return Outcome({}, {}, {"called": (probe, data_dir, train_split, test_split)})


KIND = Kind("spy", spy, "what it was called with", ("top1", "R@5"))


def test_a_task_for_each_kind_and_modality():
    register_tasks("mine", "my clips", (KIND,), data_dir="here", modalities=("audio", "rgb"))
    audio, rgb = registry.find_task("mine/spy"), registry.find_task("mine/spy_rgb")
    assert (audio.modality, rgb.modality) == ("audio", "rgb")
    assert audio.description == "what it was called with, audio of my clips"
    assert (audio.reports, audio.data_dir) == (("top1", "R@5"), "here")
    assert audio.protocol("p", "d").settings["called"] == ("p", "d", "train", "test")


def test_splits_of_a_dataset_may_have_other_names():
    register_tasks("mine", "my clips", (KIND,), modalities=("rgb",), splits=("train", "val"))
    called = registry.find_task("mine/spy").protocol("p", "d").settings["called"]
    assert called == ("p", "d", "train", "val")


def test_official_splits_are_said():
    register_tasks("mine", "my clips", (KIND,), official="the 9 official splits")
    assert registry.find_task("mine/spy").description.endswith("mean of the 9 official splits")


@pytest.mark.parametrize(
    ("dataset", "modalities"),
    [("hmdb51", ("rgb", "flow")), ("ucf101", ("rgb", "flow")), ("esc50", ("audio",))],
)
@pytest.mark.parametrize("protocol", ["linear", "finetune", "knn", "retrieval"])
def test_tasks_of_the_datasets_with_official_splits(dataset, modalities, protocol):
    for index, modality in enumerate(modalities):
        task = registry.find_task(f"{dataset}/{protocol}" + (f"_{modality}" if index else ""))
        assert task.modality == modality
        assert task.data_dir == f"data/{dataset}"
        assert "official" in task.description
        assert ("R@1" if protocol == "retrieval" else "top1") == task.reports[0]
