"""Protocols over official splits and folds."""

import coloured_clips
import numpy as np
import pytest

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.evaluation.metrics import scores
from brave_tf.evaluation.protocols import svm
from brave_tf.evaluation.protocols.outcome import Outcome, Predictions
from brave_tf.evaluation.tasks import official

# Role of the clips of both classes in official splits 1 and 2.
ROLES = ("train-train", "train-test", "test-train", "unused-test")


def write(folder, splits, labels=(0, 1, 0, 1)):
    return coloured_clips.write(folder, {split: list(labels) for split in splits})


def outcome(hits, keys, clips, split, low=0.4, **settings):
    hits, keys = np.array(hits), np.array(keys)
    return Outcome(
        {"top1": hits.mean(), "top1_ci95": [low, 0.9], "classes": [{"name": "a"}]},
        clips,
        {"C": 0.1, "train_split": f"{split}-train", "test_split": f"{split}-test", **settings},
        Predictions(keys, np.zeros(len(keys), int), keys, classes=np.array(["a", "b"])),
        {"top1": hits},
    )


def test_metrics_are_means_and_clips_are_sums():
    counts = {"train": 10, "test": 4, "missing": 1}, {"train": 12, "test": 2, "missing": 0}
    first = outcome([1, 0, 1, 0], ["a", "b", "c", "d"], counts[0], "a", chosen=1)
    second = outcome([0, 1], ["e", "a"], counts[1], "b", chosen=2)
    both = official.averaged([first, second])
    assert list(both.metrics) == ["top1", "top1_ci95", "splits"]
    assert both.metrics["top1"] == pytest.approx(0.5)
    assert [each["top1"] for each in both.metrics["splits"]] == [0.5, 0.5]
    assert [each["clips"] for each in both.metrics["splits"]] == list(counts)
    assert both.metrics["splits"][0]["classes"] == [{"name": "a"}]
    assert both.metrics["splits"][1]["settings"] == {
        "train_split": "b-train",
        "test_split": "b-test",
        "chosen": 2,
    }
    assert both.clips == {"train": 22, "test": 6, "missing": 1}
    assert both.settings == {"C": 0.1}
    assert both.predictions.keys.tolist() == ["a", "b", "c", "d", "e", "a"]
    assert both.predictions.split.tolist() == [1, 1, 1, 1, 2, 2]
    assert both.predictions.classes.tolist() == ["a", "b"]
    nan = np.nan
    expected = [[1, 0, 1, 0, nan], [1, nan, nan, nan, 0]]
    interval = scores.bootstrap_over_splits(np.array(expected))
    assert both.metrics["top1_ci95"] == list(interval)


def test_folds_have_the_mean_over_all_clips_too():
    counts = dict.fromkeys(("train", "test", "missing"), 1)
    first = outcome([1, 0, 1, 0.5], ["a", "b", "c", "d"], counts, "a")
    second = outcome([0, 1], ["e", "f"], counts, "b")
    both = official.averaged([first, second])
    assert list(both.metrics) == [
        *("top1", "top1_ci95", "pooled_top1", "pooled_top1_ci95", "splits"),
    ]
    assert both.metrics["top1"] == pytest.approx((2.5 / 4 + 1 / 2) / 2)
    assert both.metrics["pooled_top1"] == pytest.approx(3.5 / 6)
    interval = scores.bootstrap_interval(np.array([1, 0, 1, 0.5, 0, 1]))
    assert both.metrics["pooled_top1_ci95"] == list(interval)


def test_without_values_of_each_clip_intervals_are_averaged():
    bare = [
        Outcome(
            {"map": x, "map_ci95": [x - 0.1, x + 0.3]},
            dict.fromkeys(("train", "test", "missing"), 1),
            {},
        )
        for x in (0.2, 0.4)
    ]
    both = official.averaged(bare)
    assert both.metrics["map_ci95"] == pytest.approx([0.2, 0.6])
    assert both.predictions is None


@pytest.mark.parametrize("values", [(None, 1.5), (1.5, None)])
def test_what_one_split_does_not_have_has_no_mean(values):
    bare = [
        Outcome(
            {"map": 0.5, "d_prime": value, "d_prime_ci95": value and [1, 2]},
            dict.fromkeys(("train", "test", "missing"), 1),
            {},
        )
        for value in values
    ]
    both = official.averaged(bare).metrics
    assert (both["map"], both["d_prime"], both["d_prime_ci95"]) == (0.5, None, None)


def test_each_official_split_trains_and_tests_on_the_clips_of_these_roles(tmp_path):
    data_dir = write(tmp_path, ROLES)
    calls = []

    def protocol(probe, folder, train_split, test_split):
        calls.append((folder, train_split, test_split))
        return outcome([1], ["a"], {"train": 1, "test": 1, "missing": 0}, "a")

    official.over_official_splits(protocol)(coloured_clips.probe(), data_dir)
    assert calls == [
        (data_dir, "train-test+train-train", "test-train"),
        (data_dir, "test-train+train-train", "train-test+unused-test"),
    ]


def test_folds_are_held_out_in_turn_and_never_mixed(tmp_path):
    data_dir = write(tmp_path / "records", ["fold1", "fold2", "fold3"])
    config.load_config([], ["eval_windows.train_passes = 1", "eval_windows.temporal_crops = 1"])
    probe = coloured_clips.probe(cache=str(tmp_path / "cache"))
    result = official.over_official_splits(svm.linear_svm)(probe, data_dir)
    settings = [each["settings"] for each in result.metrics["splits"]]
    assert [each["test_split"] for each in settings] == ["fold1", "fold2", "fold3"]
    assert [each["train_split"] for each in settings] == [
        "fold2+fold3",
        "fold1+fold3",
        "fold1+fold2",
    ]
    assert [s["clips"] for s in result.metrics["splits"]] == [
        {"train": 8, "test": 4, "missing": 0}
    ] * 3
    assert result.metrics["top1"] == 1.0
    folds = [key.split("/")[0] for key in result.predictions.keys]
    assert folds == ["fold1"] * 4 + ["fold2"] * 4 + ["fold3"] * 4


def test_records_without_official_splits_are_refused(tmp_path):
    data_dir = write(tmp_path, ["train", "test"])
    with pytest.raises(UserError, match=r"splits test, train"):
        official.over_official_splits(svm.linear_svm)(coloured_clips.probe(), data_dir)
