"""Protocols over official splits and folds."""

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.evaluation import linear, official, registry
from brave_tf.evaluation.probe import Outcome, Probe

VIEW = RgbView(num_frames=2, frame_step=1, size=8)
# Role of the clips of both classes in official splits 1 and 2.
ROLES = ("train-train", "train-test", "test-train", "unused-test")


def colours(batch):
    return tf.reduce_mean(batch, (1, 2, 3))


def probe():
    return Probe("narrow", VIEW, True, colours)


def write(folder, splits, clips_of_each=2):
    rng = np.random.default_rng(0)
    for split in splits:
        records = []
        for label in [0, 1] * clips_of_each:
            pixels = rng.integers(0, 60, (3, 12, 16, 3))
            pixels[..., label] += 120
            images = [record_fixtures.jpeg(frame.astype(np.uint8)) for frame in pixels]
            records.append(record_fixtures.record(images=images, labels=[label]))
        record_fixtures.write_shards(folder, records, split=split)
    return str(folder)


def outcome(top1, low, high, clips, split):
    return Outcome(
        {"top1": top1, "top1_ci95": [low, high]},
        clips,
        {"C": 0.1, "train_split": f"{split}-train", "test_split": f"{split}-test"},
    )


def test_metrics_are_means_and_clips_are_sums():
    first = outcome(0.5, 0.4, 0.6, {"train": 10, "test": 4, "missing": 1}, "a")
    second = outcome(0.7, 0.6, 0.9, {"train": 12, "test": 6, "missing": 0}, "b")
    both = official.averaged([first, second])
    assert both.metrics["top1"] == pytest.approx(0.6)
    assert both.metrics["top1_ci95"] == pytest.approx([0.5, 0.75])
    assert both.metrics["splits"] == [
        {"top1": 0.5, "top1_ci95": [0.4, 0.6], "clips": first.clips},
        {"top1": 0.7, "top1_ci95": [0.6, 0.9], "clips": second.clips},
    ]
    assert both.clips == {"train": 22, "test": 10, "missing": 1}
    assert both.settings == {
        "C": 0.1,
        "splits": [
            {"train_split": "a-train", "test_split": "a-test"},
            {"train_split": "b-train", "test_split": "b-test"},
        ],
    }


def test_each_official_split_trains_and_tests_on_the_clips_of_these_roles(tmp_path):
    data_dir = write(tmp_path, ROLES)
    calls = []

    def protocol(probe, folder, train_split, test_split):
        calls.append((folder, train_split, test_split))
        return outcome(1.0, 1.0, 1.0, {"train": 1, "test": 1, "missing": 0}, "a")

    official.over_official_splits(protocol)(probe(), data_dir)
    assert calls == [
        (data_dir, "train-test+train-train", "test-train"),
        (data_dir, "test-train+train-train", "train-test+unused-test"),
    ]


def test_folds_are_held_out_in_turn(tmp_path):
    data_dir = write(tmp_path, ["fold1", "fold2", "fold3"])
    result = official.over_official_splits(linear.linear_svm)(probe(), data_dir)
    assert [s["test_split"] for s in result.settings["splits"]] == ["fold1", "fold2", "fold3"]
    assert [s["clips"] for s in result.metrics["splits"]] == [
        {"train": 8, "test": 4, "missing": 0}
    ] * 3
    assert result.metrics["top1"] == 1.0


def test_records_without_official_splits_are_refused(tmp_path):
    data_dir = write(tmp_path, ["train", "test"])
    with pytest.raises(UserError, match=r"splits test, train"):
        official.over_official_splits(linear.linear_svm)(probe(), data_dir)


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("hmdb51/linear", "rgb"),
        ("hmdb51/linear_flow", "flow"),
        ("ucf101/linear", "rgb"),
        ("esc50/linear", "audio"),
    ],
)
def test_tasks_of_the_datasets_with_official_splits(name, modality):
    task = registry.find_task(name)
    assert task.modality == modality
    assert task.data_dir == f"data/{name.split('/')[0]}"
