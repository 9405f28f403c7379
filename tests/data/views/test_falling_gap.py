import drawn_windows
import numpy as np
import pytest
from scipy import stats

from brave_tf.data.views.falling_gap import FallingGap
from brave_tf.errors import UserError

RULE = FallingGap(views=("one", "two"))


def drawn_frames(frames, number=4000):
    views = drawn_windows.views("one", "two")
    starts = drawn_windows.starts([RULE], views, drawn_windows.clip(frames), number)
    return np.rint(starts * 25).astype(int)


def test_the_gap_falls_linearly_in_probability():
    starts = drawn_frames(70)
    places = 70 - 31 + 1
    gaps = np.abs(starts[:, 0] - starts[:, 1])
    share = np.arange(places + 1) / places
    expected = np.diff(2 * share - share**2) * len(starts)
    # The last gaps are too rare for the test on their own.
    ends = np.arange(0, places - 8, 4)
    found = np.add.reduceat(np.bincount(gaps, minlength=places), ends)
    assert stats.chisquare(found, np.add.reduceat(expected, ends)).pvalue > 1e-3


def test_the_first_window_starts_anywhere_that_leaves_room_for_the_second():
    starts = drawn_frames(70)
    first, gap = starts.min(axis=1), np.abs(starts[:, 0] - starts[:, 1])
    assert first.min() == 0 and starts.max() == 39
    near = first[gap <= 3]
    for each in range(4):
        of_this = first[gap == each]
        assert of_this.max() <= 39 - each
    found = np.bincount(near[near < 36] // 6, minlength=6)
    assert stats.chisquare(found).pvalue > 1e-3


def test_a_coin_says_which_view_has_the_first_window():
    starts = drawn_frames(70)
    ahead = np.sum(starts[:, 0] < starts[:, 1])
    assert stats.binomtest(int(ahead), int(np.sum(starts[:, 0] != starts[:, 1]))).pvalue > 1e-3


def test_in_a_clip_that_is_too_short_both_start_anywhere():
    starts = drawn_frames(12, 3000)
    table = np.zeros((12, 12))
    np.add.at(table, (starts[:, 0], starts[:, 1]), 1)
    assert stats.chisquare(table.ravel()).pvalue > 1e-3


def test_a_clip_of_one_window_has_it_twice():
    np.testing.assert_array_equal(drawn_frames(31, 20), 0)


@pytest.mark.parametrize("views", [("one",), ("one", "two", "three")])
def test_the_rule_is_about_two_views(views):
    with pytest.raises(UserError, match="FallingGap.views = .*two views"):
        FallingGap(views=views)
