import drawn_windows
import numpy as np
import pytest
from scipy import stats

from brave_tf.data.views.apart import Apart
from brave_tf.errors import UserError

NAMES = ("a", "b", "c")
# What 31 frames last.
WINDOW = 31 / 25


def starts(rule, frames, number=3000):
    views = drawn_windows.views(*rule.views)
    return drawn_windows.starts([rule], views, drawn_windows.clip(frames), number)


def test_windows_have_the_distance_and_are_placed_evenly():
    found = np.sort(starts(Apart(views=NAMES, seconds=0.4), 250), axis=1)
    between = np.diff(found, axis=1) - WINDOW
    assert between.min() >= 0.4 - 1e-9
    # Of three uniform draws, the middle one has a beta distribution; the rest is the least distance.
    spare = 10 - 3 * WINDOW - 2 * 0.4
    middle = (found[:, 1] - WINDOW - 0.4) / spare
    assert stats.kstest(middle, stats.beta(2, 2).cdf).pvalue > 1e-3
    # The space between two of three has that of the smallest.
    assert stats.kstest((between[:, 0] - 0.4) / spare, stats.beta(1, 3).cdf).pvalue > 1e-3


def test_all_ways_are_equally_likely_where_they_can_be_counted():
    # Brute force: pairs of starts that keep the distance, of all pairs.
    rng = np.random.default_rng(0)
    pairs = rng.uniform(0, 4 - WINDOW, (200_000, 2))
    kept = pairs[np.abs(pairs[:, 0] - pairs[:, 1]) >= WINDOW + 0.2]
    found = starts(Apart(views=("a", "b"), seconds=0.2), 100)
    assert stats.ks_2samp(found[:, 0], kept[:, 0]).pvalue > 1e-3
    assert stats.ks_2samp(found[:, 1], kept[:, 1]).pvalue > 1e-3


def test_any_view_may_be_first_unless_they_are_in_order():
    found = starts(Apart(views=NAMES), 250)
    first = np.bincount(found.argmin(axis=1), minlength=3)
    assert stats.chisquare(first).pvalue > 1e-3
    ordered = starts(Apart(views=NAMES, in_order=True), 250, 100)
    assert np.all(np.diff(ordered, axis=1) >= WINDOW - 1e-9)


def test_in_a_clip_that_is_too_short_for_the_distance_windows_are_spread_evenly():
    found = starts(Apart(views=NAMES, seconds=5.0, in_order=True), 131, 5)
    np.testing.assert_allclose(found, np.tile([0, 2.0, 4.0], (5, 1)), atol=1e-9)


def test_in_a_clip_that_is_too_short_for_a_window_starts_are_spread_evenly():
    found = starts(Apart(views=NAMES, in_order=True), 15, 5)
    np.testing.assert_allclose(found, np.tile([0, 0.2, 0.4], (5, 1)), atol=1e-9)


@pytest.mark.parametrize("seconds", [-0.1, float("inf"), float("nan")])
def test_the_distance_is_a_number_of_seconds(seconds):
    with pytest.raises(UserError, match=r"Apart.seconds = .*0 or more"):
        Apart(views=NAMES, seconds=seconds)
