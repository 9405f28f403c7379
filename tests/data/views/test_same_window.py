import dataclasses

import drawn_windows
import numpy as np
import pytest
from scipy import stats

from brave_tf.data.views.same_window import SameWindow
from brave_tf.data.views.windows import draw_windows
from brave_tf.errors import UserError

APART = dataclasses.replace(drawn_windows.VIEW, sync=False)
VIEWS = {"narrow": drawn_windows.VIEW, "a": APART, "b": APART}
CLIP = drawn_windows.clip(250)


def test_views_see_one_window_and_draw_the_rest_by_themselves():
    windows = draw_windows(CLIP, VIEWS, (3, 4), [SameWindow(views=("a", "b"))])
    assert float(windows["a"].start) == float(windows["b"].start) != float(windows["narrow"].start)
    assert windows["a"].seed.numpy().tolist() != windows["b"].seed.numpy().tolist()
    alone = draw_windows(CLIP, VIEWS, (3, 4))
    assert float(alone["a"].start) == float(windows["a"].start) != float(alone["b"].start)


def test_a_coin_decides_for_each_clip():
    rule = SameWindow(views=("a", "b"), probability=0.3)
    found = drawn_windows.starts([rule], VIEWS, CLIP, 1000)
    alone = drawn_windows.starts([], VIEWS, CLIP, 1000)
    same = found[:, 1] == found[:, 2]
    assert stats.binomtest(int(same.sum()), 1000, 0.3).pvalue > 1e-3
    np.testing.assert_array_equal(found[~same], alone[~same])


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_the_probability_is_one(probability):
    with pytest.raises(UserError, match=r"SameWindow.probability = .*\[0, 1\]"):
        SameWindow(views=("a", "b"), probability=probability)
