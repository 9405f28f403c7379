import dataclasses

import drawn_windows
import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.views.apart import Apart
from brave_tf.data.views.base import View
from brave_tf.data.views.copied_window import CopiedWindow
from brave_tf.data.views.falling_gap import FallingGap
from brave_tf.data.views.in_order import InOrder
from brave_tf.data.views.same_window import SameWindow
from brave_tf.data.views.windows import WindowRule, check_rules, draw_windows, require_places
from brave_tf.errors import UserError

VIEW = drawn_windows.VIEW
APART = dataclasses.replace(VIEW, sync=False)
CLIP = drawn_windows.clip(250)


def told(windows):
    return {name: (float(w.start), w.seed.numpy().tolist()) for name, w in windows.items()}


@pytest.mark.parametrize(
    "rule",
    [
        FallingGap(views=("a", "b")),
        InOrder(views=("a", "b")),
        Apart(views=("a", "b"), seconds=0.3),
        SameWindow(views=("a", "b"), probability=0.5),
        CopiedWindow(view="b", of="a", seconds=1.0),
    ],
)
def test_the_seed_decides_and_other_views_stay_where_they_were(rule):
    views = {"narrow": VIEW, "a": APART, "b": APART, "led": VIEW, "own": APART}
    check_rules([rule], views)
    tf.random.set_seed(1)
    found = told(draw_windows(CLIP, views, (1, 2), [rule]))
    tf.random.set_seed(2)
    assert told(draw_windows(CLIP, views, (1, 2), [rule])) == found
    assert told(draw_windows(CLIP, views, (1, 3), [rule])) != found
    alone = told(draw_windows(CLIP, views, (1, 2)))
    assert {k: found[k] for k in ("narrow", "led", "own")} == {
        k: alone[k] for k in ("narrow", "led", "own")
    }


def test_synchronised_views_follow_the_narrow_one():
    views = {"narrow": VIEW, "later": VIEW, "led": VIEW, "copy": APART}
    rules = [InOrder(views=("narrow", "later")), CopiedWindow(view="copy", of="led")]
    found = drawn_windows.starts(rules, views, CLIP, 20)
    np.testing.assert_array_equal(found[:, 2], found[:, 0])
    np.testing.assert_array_equal(found[:, 3], found[:, 0])
    assert np.all(found[:, 1] > found[:, 0])


def test_rules_of_the_same_kind_draw_by_themselves():
    names = ("a", "b", "c", "d")
    rules = [InOrder(views=names[:2]), InOrder(views=names[2:])]
    found = drawn_windows.starts(rules, drawn_windows.views(*names), CLIP, 20)
    assert not np.any(found[:, :2] == found[:, 2:])


class Nowhere(View):
    modality, duration, shape, fields = "rgb", VIEW.duration, (1,), ()
    random_start = sample = crops = None


@pytest.mark.parametrize(
    "rules, message",
    [
        ([InOrder], "with parentheses"),
        ([InOrder(views=("narrow", "brod"))], "'brod', but .* Did you mean broad"),
        ([InOrder(views=("narrow",))], "two or more"),
        ([InOrder(views=("narrow", "narrow"))], "each once"),
        ([InOrder(views=("narrow", "long"))], "one modality and duration"),
        ([InOrder(views=("narrow", "nowhere"))], "does not say where"),
        ([CopiedWindow(view="nowhere", of="narrow", seconds=1)], "does not say where"),
        (
            [InOrder(views=("narrow", "broad")), SameWindow(views=("narrow", "broad"))],
            "SameWindow and InOrder both draw the window of view 'broad'",
        ),
        (
            [CopiedWindow(view="broad", of="narrow"), InOrder(views=("narrow", "third"))],
            "list InOrder before it",
        ),
    ],
)
def test_refuses_rules_that_cannot_be_followed(rules, message):
    views = drawn_windows.views("narrow", "broad", "third")
    views.update(long=dataclasses.replace(VIEW, num_frames=32), nowhere=Nowhere())
    with pytest.raises(UserError, match=message):
        check_rules(rules, views)


class AtTheEnd(WindowRule):
    """A rule as a plug-in would add it."""

    placed = ("late",)

    def check(self, views):
        require_places(views["late"], "late")

    def draw(self, clip, windows, seed):
        late = windows["late"]
        return {"late": late._replace(start=late.view.places(clip).latest)}


def test_a_rule_of_ones_own():
    views = drawn_windows.views("narrow", "late")
    check_rules([AtTheEnd()], views)
    found = drawn_windows.starts([AtTheEnd()], views, CLIP, 5)
    np.testing.assert_allclose(found[:, 1], (250 - 31) / 25)
