"""Figures of spread against plain numpy, and the warning."""

import numpy as np
import pytest

from brave_tf.training.monitors import collapse
from brave_tf.training.monitors.advice import Advice
from brave_tf.training.monitors.collapse import CollapseWatch


def spread(clips=512, size=64):
    return np.random.default_rng(0).normal(size=(clips, size)).astype(np.float32)


def collapsed(clips=32, size=64):
    return np.repeat(spread(1, size), clips, axis=0)


def line(clips=64, size=16):
    """Features that differ, but only along one direction."""
    rng = np.random.default_rng(1)
    return (rng.normal(size=(clips, 1)) * rng.normal(size=(1, size))).astype(np.float32)


def test_feature_std_is_0_when_collapsed_and_1_when_spread():
    np.testing.assert_allclose(collapse.feature_std(collapsed()), 0, atol=1e-5)
    np.testing.assert_allclose(collapse.feature_std(spread()), 1, atol=0.02)
    unit = spread() / np.linalg.norm(spread(), axis=-1, keepdims=True)
    np.testing.assert_allclose(collapse.feature_std(spread()), unit.std(0).mean() * 8, rtol=1e-4)


def test_mean_cosine_is_that_of_all_pairs():
    features = spread(20, 5) + 1
    unit = features / np.linalg.norm(features, axis=-1, keepdims=True)
    pairs = [unit[i] @ unit[j] for i in range(20) for j in range(20) if i != j]
    np.testing.assert_allclose(collapse.mean_cosine(features), np.mean(pairs), rtol=1e-5)
    np.testing.assert_allclose(collapse.mean_cosine(collapsed()), 1, rtol=1e-5)


@pytest.mark.parametrize("shape", [(20, 7), (7, 20)])
def test_effective_rank_is_the_entropy_of_singular_values(shape):
    features = spread(*shape) + 3
    values = np.linalg.svd(features - features.mean(0), compute_uv=False)
    shares = values[values > 1e-5] / values.sum()
    expected = np.exp(-np.sum(shares * np.log(shares)))
    np.testing.assert_allclose(collapse.effective_rank(features), expected, rtol=1e-4)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_effective_rank_of_equal_directions_is_their_number(rank):
    rng = np.random.default_rng(2)
    left = np.linalg.qr(rng.normal(size=(40, rank + 1)) * 0 + _centred(rng, 40, rank + 1))[0][
        :, :rank
    ]
    right = np.linalg.qr(rng.normal(size=(16, rank)))[0]
    np.testing.assert_allclose(collapse.effective_rank(left @ right.T + 5), rank, rtol=1e-4)


def _centred(rng, clips, size):
    x = rng.normal(size=(clips, size))
    return x - x.mean(0)


def test_effective_rank_of_equal_features_is_0():
    assert collapse.effective_rank(collapsed()) == 0


def warnings_after(features, times, **settings):
    watch, advice = CollapseWatch(patience=3, **settings), Advice()
    for each in features * times:
        figures = watch.measure("projections", {"narrow": each, "broad_audio": spread()}, advice)
    assert set(figures) >= {"projections/std/broad_audio", "projections/effective_rank/broad_audio"}
    return advice.given


@pytest.mark.parametrize("bad", [collapsed(), line()])
def test_collapse_that_lasts_is_warned_about_once(bad, caplog):
    assert warnings_after([bad], 2) == []
    assert warnings_after([bad], 5) == ["collapse of narrow"]
    assert warnings_after([bad, spread()], 5) == []
    (record,) = caplog.records
    for part in ("projections of view 'narrow'", "effective rank", "learning rate"):
        assert part in record.getMessage()


def test_healthy_features_and_tiny_batches_are_not_warned_about():
    assert warnings_after([spread()], 5) == []
    assert warnings_after([line(clips=4)], 5) == []
    assert warnings_after([np.full((8, 4), np.nan, np.float32)], 5) == []
    assert warnings_after([spread(1)], 5) == []


def test_thresholds_are_bindings():
    assert warnings_after([spread()], 5, least_std=1.5) == [
        "collapse of narrow",
        "collapse of broad_audio",
    ]
