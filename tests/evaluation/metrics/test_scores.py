"""Scores against explicit loops and the binomial distribution."""

import itertools

import numpy as np
import pytest
from scipy import stats

from brave_tf.errors import UserError
from brave_tf.evaluation.metrics import scores


@pytest.mark.parametrize("k", [1, 3, 5])
def test_hits_are_the_classes_that_fewer_than_k_others_beat(k):
    rng = np.random.default_rng(0)
    decisions, labels = rng.normal(size=(50, 7)), rng.integers(0, 7, 50)
    expected = [
        sum(other > row[label] for other in row) < k for row, label in zip(decisions, labels)
    ]
    np.testing.assert_array_equal(scores.hits_at(k, decisions, labels), expected)


def over_all_orders(k, values, label):
    """The share of the orders of classes, ranked stably by value, that have the label among the first k."""
    orders = list(itertools.permutations(range(len(values))))
    return np.mean([label in sorted(order, key=lambda c: -values[c])[:k] for order in orders])


@pytest.mark.parametrize("k", [1, 2, 3, 5, 9])
def test_ties_count_as_they_do_over_all_orders_of_the_classes(k):
    rng = np.random.default_rng(3)
    decisions, labels = rng.integers(0, 3, (40, 5)).astype(float), rng.integers(0, 5, 40)
    expected = [over_all_orders(k, row, label) for row, label in zip(decisions, labels)]
    np.testing.assert_allclose(scores.hits_at(k, decisions, labels), expected)


def test_a_class_that_nothing_speaks_for_is_never_a_hit():
    decisions = np.array([[0.3, -np.inf, -np.inf, -np.inf], [-np.inf] * 4])
    for label in range(4):
        found = scores.hits_at(5, decisions, np.array([label, label]))
        np.testing.assert_array_equal(found, [label == 0, False])


def test_with_fewer_classes_than_k_every_clip_is_a_hit():
    assert (scores.hits_at(5, np.random.default_rng(0).normal(size=(9, 3)), np.arange(9) % 3)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_cannot_be_ranked_are_refused(value):
    decisions = np.zeros((3, 4))
    decisions[1, 2] = value
    with pytest.raises(UserError, match="decision values of 1 of 3 clips are NaN or infinite"):
        scores.top_hits(decisions, np.zeros(3, np.int64))


@pytest.mark.parametrize("label", [-1, 2])
def test_labels_must_be_columns(label):
    with pytest.raises(ValueError, match=f"labels from .*{label}.* for 2 classes"):
        scores.hits_at(1, np.zeros((2, 2)), np.array([label, 0 if label > 0 else 1]))


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


def test_interval_of_chances_is_that_of_resampling_clips():
    hits = np.random.default_rng(4).choice([0.0, 0.2, 0.5, 1.0], 80)
    rng = np.random.default_rng(5)
    expected = np.quantile([rng.choice(hits, 80).mean() for _ in range(20_000)], [0.025, 0.975])
    np.testing.assert_allclose(scores.bootstrap_interval(hits), expected, atol=0.01)
    # Narrower than that of hits and misses of the same mean.
    of_hits = scores.bootstrap_interval(np.arange(80) < 80 * hits.mean())
    assert np.ptp(scores.bootstrap_interval(hits)) < np.ptp(of_hits)


def test_interval_depends_on_the_seed_alone():
    hits = np.arange(1000) < 300
    assert scores.bootstrap_interval(hits, 3) == scores.bootstrap_interval(hits, 3)
    assert scores.bootstrap_interval(np.ones(5, bool)) == (1.0, 1.0)


def test_metrics_and_intervals_by_name():
    found = scores.with_intervals({"top1": np.arange(10) < 7, "top5": np.ones(10, bool)}, seed=3)
    assert list(found) == ["top1", "top5", "top1_ci95", "top5_ci95"]
    assert (found["top1"], found["top5"], found["top5_ci95"]) == (0.7, 1.0, [1.0, 1.0])
    assert found["top1_ci95"] == list(scores.bootstrap_interval(np.arange(10) < 7, 3))


def test_intervals_cover_the_true_accuracy():
    rng = np.random.default_rng(0)
    truth, covered = 0.7, 0
    for number in range(400):
        low, high = scores.bootstrap_interval(rng.random(150) < truth, seed=number, samples=1000)
        covered += low <= truth <= high
    assert 0.91 <= covered / 400 <= 0.98


def test_intervals_over_splits_cover_the_true_mean_where_splits_share_clips():
    """Clips are harder or easier in all splits that test them: they count once, not once per split."""
    rng = np.random.default_rng(0)
    covered = covered_by_pairs = 0
    for number in range(200):
        easy = rng.random(100) < 0.6
        values = np.where(rng.random((3, 100)) < 0.9, easy, ~easy).astype(float)
        values[rng.random((3, 100)) < 0.3] = np.nan
        truth = 0.9 * 0.6 + 0.1 * 0.4
        low, high = scores.bootstrap_over_splits(values, seed=number, samples=400)
        covered += low <= truth <= high
        low, high = scores.bootstrap_interval(values[~np.isnan(values)] == 1, number, 400)
        covered_by_pairs += low <= truth <= high
    assert 0.9 <= covered / 200 <= 0.985
    assert covered_by_pairs / 200 < 0.85  # what resampling pairs of split and clip would claim


def test_the_interval_over_splits_is_that_of_resampling_clips():
    rng = np.random.default_rng(1)
    values = (rng.random((2, 30)) < 0.5).astype(float)
    values[0, :10] = np.nan
    means = []
    for _ in range(4000):
        drawn = values[:, rng.integers(0, 30, 30)]
        means.append(np.nanmean(drawn, axis=1).mean())
    expected = np.quantile(means, [0.025, 0.975])
    found = scores.bootstrap_over_splits(values, samples=4000)
    np.testing.assert_allclose(found, expected, atol=0.015)
    assert found == scores.bootstrap_over_splits(values, samples=4000)


def test_the_interval_of_any_statistic_is_that_of_resampling_clips():
    values = np.random.default_rng(2).exponential(size=50)
    low, high = scores.bootstrap_statistic(lambda clips: values[clips].mean(), 50, samples=3000)
    expected = stats.norm.interval(0.95, values.mean(), values.std() / np.sqrt(50))
    np.testing.assert_allclose([low, high], expected, atol=0.06)
    sometimes = scores.bootstrap_statistic(lambda c: np.nan if c[0] == 0 else 1.0, 50, samples=100)
    assert sometimes == (1.0, 1.0)
