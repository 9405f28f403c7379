"""Scores against explicit loops and the binomial distribution."""

import numpy as np
import pytest
from scipy import stats

from brave_tf.evaluation import scores


@pytest.mark.parametrize("k", [1, 3, 5])
def test_hits_are_the_classes_that_fewer_than_k_others_beat(k):
    rng = np.random.default_rng(0)
    decisions, labels = rng.normal(size=(50, 7)), rng.integers(0, 7, 50)
    expected = [
        sum(other > row[label] for other in row) < k for row, label in zip(decisions, labels)
    ]
    np.testing.assert_array_equal(scores.hits_at(k, decisions, labels), expected)


def test_ties_go_to_the_lower_class():
    decisions = np.zeros((2, 3))
    np.testing.assert_array_equal(scores.hits_at(1, decisions, np.array([0, 1])), [True, False])


def test_with_fewer_classes_than_k_every_clip_is_a_hit():
    assert scores.hits_at(5, np.random.default_rng(0).normal(size=(9, 3)), np.arange(9) % 3).all()


def test_labels_must_be_one_per_clip():
    with pytest.raises(ValueError, match="labels of shape"):
        scores.hits_at(1, np.zeros((3, 2)), np.zeros(2, np.int64))


def test_interval_covers_95_percent_of_the_resampled_accuracies():
    hits = np.arange(200) < 140
    low, high = scores.bootstrap_interval(hits, seed=1)
    expected = stats.binom.ppf([0.025, 0.975], 200, 0.7) / 200
    np.testing.assert_allclose([low, high], expected, atol=1 / 200)


def test_interval_is_that_of_resampling_clips():
    rng = np.random.default_rng(2)
    hits = rng.random(60) < 0.4
    means = [rng.choice(hits, len(hits)).mean() for _ in range(20_000)]
    expected = np.quantile(means, [0.025, 0.975])
    np.testing.assert_allclose(scores.bootstrap_interval(hits), expected, atol=1 / 60 + 1e-9)


def test_interval_depends_on_the_seed_alone():
    hits = np.arange(1000) < 300
    assert scores.bootstrap_interval(hits, 3) == scores.bootstrap_interval(hits, 3)
    assert scores.bootstrap_interval(np.ones(5, bool)) == (1.0, 1.0)
