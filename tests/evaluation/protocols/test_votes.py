"""Scores of clips that are equally near, against the mean over all orders of the training clips."""

import itertools
import math

import numpy as np
import pytest

from brave_tf.evaluation.protocols.knn import knn_decisions, knn_hits

ANGLES = np.deg2rad([0, 0, 30, 30, 30, 30, 60])
TRAIN = np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)


def over_all_draws(labels, label, k, temperature, top):
    """The mean over all orders of the clips that are equally near, and over all orders of tied classes."""
    weights = np.exp((np.cos(ANGLES) - 1) / temperature)
    last = np.sort(ANGLES)[k - 1]
    nearer, tied = np.flatnonzero(last > ANGLES), np.flatnonzero(last == ANGLES)
    chances = []
    for drawn in itertools.combinations(tied, k - len(nearer)):
        clips = [*nearer, *drawn]
        votes = {c: math.fsum(weights[i] for i in clips if labels[i] == c) for c in labels[clips]}
        own = votes.get(label, np.inf)
        above = sum(other > own for other in votes.values())
        equal = sum(other == own for other in votes.values())
        chances.append(np.clip((top - above) / equal, 0, 1) if equal else 0)
    return np.mean(chances)


@pytest.mark.parametrize("temperature", [0.07, 10.0, 1e-4])
@pytest.mark.parametrize("k", [1, 3, 4, 6])
@pytest.mark.parametrize(
    "labels", [[0, 1, 1, 2, 3, 4, 5], [0, 0, 1, 1, 2, 3, 0], [1, 2, 6, 1, 2, 3, 4]]
)
def test_scores_are_the_mean_over_all_draws_of_equally_near_clips(labels, k, temperature):
    labels = np.array(labels)
    queries = np.stack([[1.0, 0.0]] * 7)
    found = knn_hits(TRAIN, labels, queries, np.arange(7), k, temperature)
    for name, top in (("top1", 1), ("top5", 5)):
        expected = [over_all_draws(labels, label, k, temperature, top) for label in range(7)]
        np.testing.assert_allclose(found[name], expected, atol=1e-9)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_order_of_training_clips_does_not_matter(k):
    rng = np.random.default_rng(0)
    train = np.tile(rng.normal(size=(8, 3)), (4, 1))  # each feature four times
    labels, test, test_labels = (
        rng.integers(0, 7, 32),
        rng.normal(size=(50, 3)),
        rng.integers(0, 7, 50),
    )
    first = knn_hits(train, labels, test, test_labels, k)
    decisions = knn_decisions(train, labels, test, 7, k)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(32)
        again = knn_hits(train[order], labels[order], test, test_labels, k)
        for name, values in first.items():
            np.testing.assert_allclose(again[name], values, atol=1e-12)
        np.testing.assert_array_equal(
            knn_decisions(train[order], labels[order], test, 7, k), decisions
        )


@pytest.mark.parametrize("features", [np.zeros, np.ones])
def test_features_that_are_all_alike_score_as_chance_does(features):
    labels = np.arange(60) % 12
    found = knn_hits(features((60, 4)), labels, features((24, 4)), np.arange(24) % 12)
    np.testing.assert_allclose(found["top1"], 1 / 12)
    np.testing.assert_allclose(found["top5"], 5 / 12)
