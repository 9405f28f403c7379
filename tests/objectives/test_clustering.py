"""k-means of features, some of which are missing."""

import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.objectives.clustering import kmeans

RNG = np.random.default_rng(0)
CENTRES = np.array([[10, 0, 0], [0, 10, 0], [0, 0, 10]], np.float32)
MEMBERS = RNG.permutation(np.repeat(np.arange(3), 20))
FEATURES = CENTRES[MEMBERS] + RNG.normal(size=(60, 3)).astype(np.float32)


@pytest.mark.parametrize("batch", [None, 20])
def test_groups_that_lie_apart_are_found(batch):
    found = kmeans(FEATURES, 3, seed=1, batch=batch)
    pairs = set(zip(MEMBERS.tolist(), found.labels.tolist()))
    assert len(pairs) == 3
    for group, label in pairs:
        centroid = FEATURES[group == MEMBERS].mean(axis=0)
        # Parts of the clips come near it, all of them reach it.
        atol = 0.5 if batch else 1e-5
        np.testing.assert_allclose(found.centroids[label], centroid, atol=atol)


def test_clips_without_features_are_in_no_cluster():
    features = np.concatenate([FEATURES, np.full((2, 3), np.nan, np.float32)])
    features[5, 1] = np.inf
    found, whole = kmeans(features, 3, seed=1), np.delete(FEATURES, 5, axis=0)
    assert found.labels[[5, 60, 61]].tolist() == [-1, -1, -1]
    expected = kmeans(whole, 3, seed=1)
    np.testing.assert_array_equal(np.delete(found.labels, [5, 60, 61]), expected.labels)
    assert found.inertia == expected.inertia


def test_an_empty_cluster_takes_the_farthest_clip():
    first = np.array([[0, 0], [100, 100]], np.float32)
    features = np.array([[0, 0], [1, 0], [0, 1], [8, 0]], np.float32)
    found = kmeans(features, 2, seed=0, first=first)
    assert found.labels.tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(found.centroids, [[1 / 3, 1 / 3], [8, 0]], atol=1e-6)


def test_the_same_features_and_seed_give_the_same_bits():
    features = RNG.normal(size=(3000, 32)).astype(np.float32)
    one, two = (kmeans(features, 16, seed=3, iterations=20) for _ in range(2))
    np.testing.assert_array_equal(one.centroids, two.centroids)
    np.testing.assert_array_equal(one.labels, two.labels)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clusters": 61}, "60 of 60 clips"),
        ({"clusters": 0}, "kmeans.clusters = 0"),
        ({"clusters": 3, "iterations": 0}, "kmeans.iterations = 0"),
        ({"clusters": 3, "starts": 0}, "kmeans.starts = 0"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(UserError, match=words):
        kmeans(FEATURES, seed=0, **options)
