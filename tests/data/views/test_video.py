import dataclasses

import gin
import numpy as np
import pytest
import record_fixtures
import reference
import tensorflow as tf

from brave_tf.data.records.reader import parse_clip
from brave_tf.data.views.base import View
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.data.views.video import VideoView
from brave_tf.errors import UserError

RELEASED_NARROW = RgbView()
RELEASED_BROAD = RgbView(num_frames=64, frame_step=4, size=112)


def clip_of(num_frames, frame_rate=25.0):
    names = [str(number).encode() for number in range(num_frames)]
    record = record_fixtures.record(images=names, flow=names, frame_rate=frame_rate)
    return parse_clip(tf.constant(record), ("image/encoded", "FORWARD_FLOW/encoded"))


def test_windows_are_those_of_the_released_sampler(golden_dir):
    _, cases = reference.values(golden_dir, "ops")
    for case in cases["view_sampler"]:
        clip = clip_of(case["frames"])
        start = case["narrow"][0] / 25.0
        np.testing.assert_array_equal(RELEASED_NARROW.frame_indices(clip, start), case["narrow"])
        np.testing.assert_array_equal(RELEASED_BROAD.frame_indices(clip, start), case["broad"])


@pytest.mark.parametrize("frames, starts", [(250, 220), (40, 10), (20, 1)])
def test_the_narrow_window_starts_where_it_fits(frames, starts):
    clip = clip_of(frames)
    draw = tf.function(lambda seed: RELEASED_NARROW.random_start(clip, seed, loop=False))
    drawn = {round(float(draw(tf.constant([i, 0]))) * 25, 6) for i in range(400)}
    assert drawn <= set(range(starts))
    assert min(drawn) <= 0.05 * starts and max(drawn) >= 0.95 * (starts - 1)


def test_duration_and_shape():
    assert RELEASED_NARROW.duration == pytest.approx(1.28)
    assert RELEASED_BROAD.duration == pytest.approx(10.24)
    assert RELEASED_BROAD.shape == (64, 112, 112, 3)
    assert FlowView().shape == (64, 112, 112, 2)
    assert FlowView().duration == pytest.approx(10.24)


def test_a_duration_is_another_way_to_say_the_step():
    assert RgbView(seconds=1.28) == RELEASED_NARROW
    assert hash(RgbView(seconds=1.28)) == hash(RELEASED_NARROW)
    assert RgbView(num_frames=64, size=112, seconds=10.24) == RELEASED_BROAD
    assert FlowView(seconds=10.24) == FlowView()
    assert RgbView(seconds=1.3).duration == pytest.approx(1.3)


def test_a_duration_with_a_step_between_frames_chooses_by_time():
    view = RgbView(num_frames=16, seconds=1.3)
    expected = [int(0.4 * 25 + i * 1.3 * 25 / 16 + 1e-4) for i in range(16)]
    np.testing.assert_array_equal(view.frame_indices(clip_of(250), 0.4), expected)


def test_more_frames_of_a_view_with_a_duration_keep_its_step():
    view = dataclasses.replace(RgbView(seconds=2.56), num_frames=32)
    assert (view.frame_step, view.duration) == (4, pytest.approx(5.12))


def test_gin_binds_the_duration():
    gin.parse_config("broad/RgbView.seconds = 2.56\nFlowView.seconds = 5.12")
    with gin.config_scope("broad"):
        assert RgbView().frame_step == 4
    assert FlowView().frame_step == 2


@pytest.mark.parametrize("view", [RgbView(), FlowView()])
def test_replace_keeps_the_class(view):
    changed = dataclasses.replace(view, num_frames=3, augmentations=())
    assert type(changed) is type(view)
    assert isinstance(changed, VideoView) and isinstance(changed, View)
    assert (changed.num_frames, changed.augmentations) == (3, ())
    assert changed.size == view.size
    assert hash(changed) != hash(view)


def test_gin_binds_fields_by_scope_and_replace_does_not_bind_again():
    gin.parse_config(
        """
        import brave_tf.data.augment.random_convolution
        narrow/RgbView.size = 32
        broad/RgbView.augmentations = [@random_flip, @random_convolution]
        RgbView.num_frames = 5
        """
    )
    try:
        with gin.config_scope("narrow"):
            narrow = RgbView()
            assert dataclasses.replace(narrow, size=64).size == 64
        with gin.config_scope("broad"):
            broad = RgbView()
        assert (narrow.size, broad.size) == (32, 224)
        assert narrow.num_frames == broad.num_frames == 5
        assert [a.__name__ for a in broad.augmentations] == ["random_flip", "random_convolution"]
        assert dataclasses.replace(narrow, num_frames=7).num_frames == 7
    finally:
        gin.clear_config()


@pytest.mark.parametrize(
    "field, value",
    [
        ("num_frames", 0),
        ("frame_step", -1),
        ("seconds", 0.0),
        ("seconds", -1.28),
        ("size", 22.5),
        ("frame_rate", 0.0),
        ("resize", 100),
        ("min_area", 0.0),
        ("max_area", 1.5),
        ("min_aspect", -1.0),
        ("max_aspect", 0.1),
        ("augmentations", ("random_flip",)),
    ],
)
def test_refuses_numbers_that_cannot_be_used(field, value):
    with pytest.raises(UserError, match=rf"RgbView\.{field}"):
        RgbView(**{field: value})


def test_views_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RgbView().size = 3
