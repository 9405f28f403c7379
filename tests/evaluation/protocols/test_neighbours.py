"""Nearest neighbours by brute force."""

import numpy as np
import pytest

from brave_tf.evaluation.protocols import neighbours


@pytest.mark.parametrize("queries", [3, 1500])
def test_the_nearest_are_those_of_highest_cosine(queries):
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(40, 5)), rng.normal(size=(queries, 5))
    indices, cosines = neighbours.nearest(train, test, 7)
    for query, found, similarities in zip(test, indices, cosines):
        each = [a @ query / np.linalg.norm(a) / np.linalg.norm(query) for a in train]
        np.testing.assert_array_equal(found, np.argsort(each)[::-1][:7])
        np.testing.assert_allclose(similarities, np.sort(each)[::-1][:7], atol=1e-6)


def test_length_does_not_count_and_the_first_of_equals_is_nearest():
    train = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 100.0], [-5.0, 0.0]])
    indices, cosines = neighbours.nearest(train, np.array([[0.0, 3.0], [0.0, 0.0]]), 9)
    np.testing.assert_array_equal(indices, [[1, 2, 0, 3], [0, 1, 2, 3]])
    np.testing.assert_allclose(cosines, [[1, 1, 0, 0], [0, 0, 0, 0]])
