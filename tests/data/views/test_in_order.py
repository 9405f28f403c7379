import drawn_windows
import numpy as np
from scipy import stats

from brave_tf.data.views.in_order import InOrder

NAMES = ("a", "b", "c")
RULE = InOrder(views=NAMES)


def test_windows_are_sorted_and_each_starts_anywhere():
    starts = drawn_windows.starts(
        [RULE], drawn_windows.views(*NAMES), drawn_windows.clip(131), 3000
    )
    assert np.all(np.diff(starts, axis=1) >= 0)
    # 100 frames of 25 per second are left; order statistics of three have beta distributions.
    for index in range(3):
        found = stats.kstest(starts[:, index] / 4.0, stats.beta(index + 1, 3 - index).cdf)
        assert found.pvalue > 1e-3


def test_views_are_placed_in_the_order_of_the_rule():
    rule = InOrder(views=("c", "a", "b"))
    starts = drawn_windows.starts([rule], drawn_windows.views(*NAMES), drawn_windows.clip(131), 50)
    assert np.all(starts[:, 2] <= starts[:, 0]) and np.all(starts[:, 0] <= starts[:, 1])


def test_in_a_clip_that_is_too_short_windows_start_anywhere_and_loop():
    starts = drawn_windows.starts([RULE], drawn_windows.views(*NAMES), drawn_windows.clip(20), 2000)
    assert np.all(np.diff(starts, axis=1) >= 0)
    assert stats.kstest(starts.ravel() / 0.8, "uniform").pvalue > 1e-3


def test_in_a_clip_of_one_window_all_are_it():
    starts = drawn_windows.starts([RULE], drawn_windows.views(*NAMES), drawn_windows.clip(31), 20)
    np.testing.assert_array_equal(starts, 0)
