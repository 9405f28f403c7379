import drawn_windows
import numpy as np
import tensorflow as tf
from scipy import stats

from brave_tf.data.views.in_order import InOrder
from brave_tf.data.views.rgb import RgbView

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


def test_starts_and_frames_are_those_of_the_public_code(shared_dir):
    golden = np.load(shared_dir / "golden_peers" / "rho_byol.npz")
    view = RgbView(num_frames=8, frame_step=9, frame_rate=30.0, size=16)
    clip = drawn_windows.clip(256, frame_rate=30.0)
    # Its windows start anywhere in [0, frames - 64], and these are all that do.
    assert float(view.places(clip).latest) * 30 == 192
    assert max(golden[f"clips/rho4/{index}"][:, 0].max() for index in range(6)) <= 192
    for name, start in (("10", 10.0), ("10_5", 10.5)):
        frames = view.frame_indices(clip, tf.constant(start / 30, tf.float64))
        np.testing.assert_array_equal(frames, golden[f"clips/frames_of_start_{name}"])
