"""The votes of nearest neighbours by brute force."""

import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.evaluation.metrics import scores
from brave_tf.evaluation.protocols.knn import knn_decisions, knn_hits


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (5, 0.07), (20, 0.5), (100, 1.0)])
def test_votes_are_those_of_the_definition(k, temperature):
    rng = np.random.default_rng(0)
    train, labels = rng.normal(size=(30, 4)), rng.integers(0, 5, 30)
    test = rng.normal(size=(9, 4))
    found = knn_decisions(train, labels, test, 6, k, temperature)
    for query, decisions in zip(test, found):
        cosines = [(a @ query) / np.linalg.norm(a) / np.linalg.norm(query) for a in train]
        votes = np.zeros(6)
        for clip in sorted(range(30), key=lambda clip: -cosines[clip])[:k]:
            votes[labels[clip]] += np.exp(cosines[clip] / temperature)
        np.testing.assert_allclose(np.exp(decisions), votes / votes.sum(), rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(np.isneginf(decisions), votes == 0)


def test_one_near_clip_outvotes_two_far_ones_at_a_low_temperature():
    angles = np.array([0.1, 0.8, 0.8])
    train, labels = np.stack([np.cos(angles), np.sin(angles)], 1), np.array([1, 0, 0])
    query = np.array([[1.0, 0.0]])
    assert knn_decisions(train, labels, query, 2, k=3, temperature=0.07).argmax() == 1
    assert knn_decisions(train, labels, query, 2, k=3, temperature=10.0).argmax() == 0


def test_of_one_neighbour_top_5_is_top_1():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(40, 4)), rng.normal(size=(60, 4))
    labels, test_labels = np.arange(40) % 10, np.arange(60) % 10
    found = scores.top_hits(knn_decisions(train, labels, test, 10, k=1), test_labels)
    np.testing.assert_array_equal(found["top5"], found["top1"])
    cosines = (test / np.linalg.norm(test, axis=1)[:, None]) @ (
        train.T / np.linalg.norm(train, axis=1)
    )
    np.testing.assert_array_equal(found["top1"], labels[cosines.argmax(axis=1)] == test_labels)


def test_votes_too_small_for_a_float_are_votes_all_the_same():
    angles = np.deg2rad([0, 20, 40, 60])
    train = np.stack([np.cos(angles), np.sin(angles)], 1)
    found = knn_decisions(train, np.array([0, 1, 2, 3]), train[:1], 5, k=3, temperature=1e-5)
    assert found[0, 0] == 0 and found[0, 0] > found[0, 1] > found[0, 2] > -np.inf
    np.testing.assert_array_equal(np.isneginf(found[0]), [False, False, False, True, True])
    hits = [scores.hits_at(2, found, np.array([label]))[0] for label in range(5)]
    assert hits == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("scale", [1e-30, 1e-200, 1e30, 1e200])
def test_the_length_of_features_does_not_count_however_small_or_large(scale):
    rng = np.random.default_rng(1)
    train, labels, test = rng.normal(size=(30, 4)), np.arange(30) % 3, rng.normal(size=(9, 4))
    expected = knn_decisions(train, labels, test, 3, k=5)
    np.testing.assert_allclose(knn_decisions(train * scale, labels, test, 3, k=5), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(value):
    train, test = np.ones((3, 2)), np.ones((4, 2))
    test[1, 0] = value
    with pytest.raises(UserError, match="features of 1 of 4 clips are NaN or infinite"):
        knn_hits(train, np.arange(3), test, np.zeros(4, np.int64))
