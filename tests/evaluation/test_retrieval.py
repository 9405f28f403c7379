"""Retrieval on rankings that are known."""

import numpy as np

from brave_tf.evaluation.neighbours import nearest
from brave_tf.evaluation.retrieval import recalls


def test_a_query_is_answered_by_one_of_its_class_among_the_k_nearest():
    ranked = np.array([[2, 2, 0, 1], [1, 0, 2, 2], [3, 3, 3, 3]])
    found = recalls(ranked, np.array([2, 2, 2]), [1, 2, 3, 50])
    assert {k: hits.tolist() for k, hits in found.items()} == {
        1: [True, False, False],
        2: [True, False, False],
        3: [True, True, False],
        50: [True, True, False],
    }


def test_recalls_of_a_known_ranking():
    # Training clips at angles 0, 10, ..., 170 degrees; queries at 0, so that they come in this order.
    angles = np.deg2rad(10 * np.arange(18))
    train = np.stack([np.cos(angles), np.sin(angles)], 1)
    labels = np.arange(18) // 3
    queries = np.tile([[2.0, 0.0]], (6, 1))
    indices, _ = nearest(train, queries, 10)
    np.testing.assert_array_equal(indices, np.tile(np.arange(10), (6, 1)))
    found = recalls(labels[indices], np.arange(6), [1, 5, 10])
    assert [hits.sum() for hits in found.values()] == [1, 2, 4]
