"""Retrieval on rankings that are known."""

import itertools

import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.evaluation.features.feature_bank import ClipFeatures
from brave_tf.evaluation.protocols.retrieval import centred, recalls


def directions(*degrees):
    """Features (n, 2) in these directions."""
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def test_a_query_is_answered_by_one_of_its_class_among_the_k_nearest():
    train, labels = directions(0, 10, 20, 30), np.array([2, 2, 0, 1])
    found = recalls(train, labels, directions(0, 0, 0, 0), np.array([2, 0, 1, 3]), [1, 3, 50])
    assert {k: hits.tolist() for k, hits in found.items()} == {
        1: [1, 0, 0, 0],
        3: [1, 1, 0, 0],
        50: [1, 1, 1, 0],
    }


def test_recalls_of_a_known_ranking():
    # Training clips at angles 0, 10, ..., 170 degrees; queries at 0, so that they come in this order.
    train, labels = directions(*10 * np.arange(18)), np.arange(18) // 3
    queries = np.tile([[2.0, 0.0]], (6, 1))
    found = recalls(train, labels, queries, np.arange(6), [1, 5, 10])
    assert [hits.sum() for hits in found.values()] == [1, 2, 4]


@pytest.mark.parametrize("k", [1, 2, 3, 4, 6])
def test_equally_near_clips_count_as_they_do_over_all_orders(k):
    angles, labels = [0, 0, 0, 40, 40, 90], np.array([0, 1, 1, 2, 0, 3])
    found = recalls(directions(*angles), labels, directions(*[0] * 5), np.arange(5), [k])[k]
    orders = [sorted(o, key=lambda i: angles[i])[:k] for o in itertools.permutations(range(6))]
    expected = [np.mean([label in labels[order] for order in orders]) for label in range(5)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_features_that_are_all_alike_recall_as_chance_does():
    labels = np.arange(40) % 10
    found = recalls(np.zeros((40, 3)), labels, np.zeros((10, 3)), np.arange(10), [1])
    np.testing.assert_allclose(found[1], 0.1)


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(UserError, match="features of 1 of 2 clips are NaN or infinite"):
        recalls(np.array([[np.nan], [1]]), np.arange(2), np.ones((2, 1)), np.arange(2), [1])


def test_features_are_centred_by_the_mean_of_their_clips():
    rng = np.random.default_rng(0)
    features = rng.normal(5, 1, (6, 3, 4)).astype(np.float32)
    columns = np.arange(6), np.array(list("abcdef")), np.array(list("ABCDEF"))
    found = centred(ClipFeatures(features, *columns, missing=0))
    expected = features.mean(1) - features.mean((0, 1))
    np.testing.assert_allclose(found.mean, expected, atol=1e-5)
    assert found.mean.dtype == np.float32
