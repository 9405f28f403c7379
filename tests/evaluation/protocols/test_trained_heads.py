"""The linear layer and the MLP on small records: scores, crops, labels, and what can be wrong."""

import json

import coloured_clips
import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from sklearn import metrics as sklearn_metrics

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.evaluation.protocols import trained_heads
from brave_tf.evaluation.protocols.heads.training import HeadTraining
from brave_tf.evaluation.protocols.linear_layer import linear_layer
from brave_tf.evaluation.protocols.mlp import mlp
from brave_tf.training.optimizers.sgd import sgd

BINDINGS = ("eval_windows.train_passes = 2", "eval_windows.temporal_crops = 2")
BINDINGS += ("eval_windows.num_frames = 2", "random_color.probability = 0.0")
TEST = [2, 1, 0, 0, None]
SEVERAL = [[0], [1], [0, 1], None, [1], [0]]


@pytest.fixture(autouse=True)
def _few_windows():
    config.load_config([], BINDINGS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `records`, whose features are kept in `cache`."""
    folder = tmp_path_factory.mktemp("protocol")
    records = folder / "records"
    splits = {"test": TEST, "train": [0, 1, 2, None] * 4, "bare": [None], "one": [0, 0]}
    coloured_clips.write(records, splits)
    # The clips of `test` again, with other labels.
    relabelled = {"relabelled": [0, 2, 1, 1, None]}
    coloured_clips.write(records, relabelled, shade=lambda label: (label - 1) % 3)
    splits = {"several": SEVERAL * 4, "several_test": SEVERAL}
    coloured_clips.write(records, splits, shade=lambda labels: labels)
    (records / "labels.txt").write_text("red\ngreen\nblue\n")
    return folder


def never(batch):
    raise AssertionError("features were computed")


def run(function, folder, *settings, embed=coloured_clips.moments, weights="w", **arguments):
    """Runs a protocol with `settings` of its training."""
    training = [f"{function.__name__}_training.{setting}" for setting in settings]
    config.load_config([], [*BINDINGS, *training])
    probe = coloured_clips.probe(embed=embed, weights=weights, cache=str(folder / "cache"))
    return function(probe, str(folder / "records"), **arguments)


def test_classes_of_one_colour_each_are_told_apart(folder):
    fast = ("epochs = 30", "batch_size = 5", "learning_rate = (0.1, 0.01)")
    outcome = run(linear_layer, folder, *fast)
    assert (outcome.metrics["top1"], outcome.metrics["top5"]) == (1.0, 1.0)
    assert outcome.metrics["top1_ci95"] == [1.0, 1.0]
    assert outcome.clips == {"train": 12, "test": 4, "missing": 5}
    found = outcome.predictions
    np.testing.assert_array_equal(found.decisions.argmax(1), [2, 1, 0, 0])
    np.testing.assert_array_equal(found.labels, [2, 1, 0, 0])
    assert list(found.classes) == ["red", "green", "blue"]
    assert list(found.paths) == [f"test/{number}.mp4" for number in range(4)]
    assert list(found.keys) == [f"test/{number}" for number in range(4)]
    np.testing.assert_array_equal(outcome.per_clip["top1"], [True] * 4)
    assert outcome.settings["training"]["epochs"] == 30
    assert len(outcome.settings["training"]["held_out_scores"]) == 2
    json.dumps([outcome.metrics, outcome.settings, outcome.clips])


def test_several_labels_a_clip(folder):
    fast = ("epochs = 30", "batch_size = 8", "learning_rate = 0.01")
    splits = {"train_split": "several", "test_split": "several_test"}
    outcome = run(mlp, folder, *fast, **splits)
    targets = np.array([[label in labels for label in range(3)] for labels in SEVERAL if labels])
    found = outcome.predictions
    np.testing.assert_array_equal(found.labels, targets)
    assert outcome.clips == {"train": 20, "test": 5, "missing": 5}
    expected = sklearn_metrics.average_precision_score(targets[:, :2], found.decisions[:, :2])
    assert outcome.metrics["map"] == pytest.approx(expected) == 1.0
    assert outcome.metrics["classes_without_positives"] == 1
    red, _, blue = outcome.metrics["classes"]
    assert (red["name"], red["ap"], red["positives"]) == ("red", 1.0, 3)
    assert (blue["name"], blue["ap"]) == ("blue", None)
    assert not outcome.per_clip
    json.dumps([outcome.metrics, outcome.settings])


def head(**options):
    class Training(HeadTraining):
        binding = "some_training"

    return trained_heads.Head("head", Training(1, 1, 0.1, 0.0, sgd), **options)


@pytest.mark.parametrize("several_labels", [False, True])
def test_averages_over_crops(several_labels):
    # Logits of the two crops of each clip, which are the features themselves.
    crops = np.array([[[2.0, 0.0], [-1.0, 0.0]], [[0.0, 3.0], [0.0, -9.0]]], np.float32)
    options = {"several_labels": several_labels, "normalization": "none"}
    identity = tf.identity
    by_logits = trained_heads.decide(identity, crops, head(average="logits", **options))
    np.testing.assert_allclose(by_logits, [[0.5, 0], [0, -3]])
    by_probabilities = trained_heads.decide(identity, crops, head(**options))
    if several_labels:
        expected = [[(0.880797 + 0.268941) / 2, 0.5], [0.5, (0.952574 + 0.000123) / 2]]
    else:
        first, second = (0.880797 + 0.268941) / 2, (0.952574 + 0.000123) / 2
        expected = [[first, 1 - first], [1 - second, second]]
    np.testing.assert_allclose(by_probabilities, expected, atol=1e-5)


def test_decisions_are_averages_over_the_crops_of_test_clips(folder):
    seen = []

    def watched(batch):
        features = coloured_clips.moments(batch)
        tf.py_function(lambda x: seen.append(x.numpy()), [features], [])
        return features

    settings = ("learning_rate = 0.1", "epochs = 1", "batch_size = 12")
    new = {"embed": watched, "weights": "not in the cache"}
    outcome = run(linear_layer, folder, *settings, normalization="none", **new)
    features = np.concatenate(seen)
    train, test = features[:12], features[24:48].reshape(4, 6, 6)
    # One step from zero weights: the gradient of the softmax cross-entropy in closed form.
    targets = np.tile(np.eye(3), (4, 1))
    error = (np.full((12, 3), 1 / 3) - targets) / 12
    logits = test @ (-0.1 * train.T @ error) - 0.1 * error.sum(0)
    expected = special.softmax(logits, axis=-1).mean(1)
    np.testing.assert_allclose(outcome.predictions.decisions, expected, rtol=1e-4)


def test_test_labels_are_used_for_the_score_alone(folder):
    settings = ("learning_rate = [0.01, 0.001]", "epochs = 2")
    first, second = (
        run(linear_layer, folder, *settings, test_split=split) for split in ("test", "relabelled")
    )
    np.testing.assert_array_equal(first.predictions.decisions, second.predictions.decisions)
    assert first.settings["training"] == second.settings["training"]
    assert first.metrics["top1"] > second.metrics["top1"]


def test_cached_features_are_streamed_and_used_again(folder):
    streamed = ("epochs = 10", "batch_size = 5", "learning_rate = 0.1", "rows_in_memory = 1")
    first = run(linear_layer, folder, *streamed)
    again = run(linear_layer, folder, *streamed, embed=never)
    np.testing.assert_array_equal(first.predictions.decisions, again.predictions.decisions)
    settings = ("epochs = 1", "learning_rate = 0.1")
    assert run(mlp, folder, *settings, embed=never, several_labels=False).clips == first.clips


def test_labels_without_names(folder, tmp_path):
    coloured_clips.write(tmp_path / "records", {"train": [0, 1]})
    (tmp_path / "records" / "labels.txt").write_text("red\n")
    with pytest.raises(UserError, match="clips have the label 1, and labels.txt names 1:"):
        run(mlp, tmp_path, embed=never, test_split="train")


def test_too_few_clips_to_choose_by(folder):
    with pytest.raises(UserError, match="mlp_training.held_out = 0.01: 0 of 12 training clips"):
        run(mlp, folder, "held_out = 0.01", embed=never, several_labels=False)


def test_splits_that_cannot_be_used(folder):
    with pytest.raises(
        UserError, match="all labelled clips of split 'one' are of one class, 'red'"
    ):
        run(linear_layer, folder, embed=never, train_split="one")
    with pytest.raises(UserError, match="no clip of split 'bare' has both rgb and a label"):
        run(mlp, folder, embed=never, test_split="bare")


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (
            linear_layer,
            {"normalization": "l3"},
            "linear_layer.normalization = 'l3'.*Did you mean l2",
        ),
        (mlp, {"average": "features"}, "mlp.average = 'features': expected one of probabilities"),
        (mlp, {"dropout": 1.0}, "mlp.dropout = 1.0: expected"),
        (mlp, {"hidden": ()}, r"mlp.hidden = \(\): expected sizes"),
        (mlp, {"hidden": (0,)}, r"mlp.hidden = \(0,\): expected sizes"),
    ],
)
def test_choices_that_cannot_be_used(function, arguments, message, folder):
    with pytest.raises(UserError, match=message):
        run(function, folder, embed=never, **arguments)
