"""The votes of nearest neighbours by brute force."""

import numpy as np
import pytest

from brave_tf.evaluation.knn import knn_decisions


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
        np.testing.assert_allclose(decisions, votes / votes.sum(), rtol=1e-4, atol=1e-6)


def test_one_near_clip_outvotes_two_far_ones_at_a_low_temperature():
    angles = np.array([0.1, 0.8, 0.8])
    train, labels = np.stack([np.cos(angles), np.sin(angles)], 1), np.array([1, 0, 0])
    query = np.array([[1.0, 0.0]])
    assert knn_decisions(train, labels, query, 2, k=3, temperature=0.07).argmax() == 1
    assert knn_decisions(train, labels, query, 2, k=3, temperature=10.0).argmax() == 0


def test_no_temperature_overflows():
    found = knn_decisions(np.eye(3), np.arange(3), np.eye(3), 3, temperature=1e-5)
    np.testing.assert_array_equal(found, np.eye(3))
