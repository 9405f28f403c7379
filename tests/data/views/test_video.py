import dataclasses
from unittest import mock

import gin
import numpy as np
import pytest
import record_fixtures
import reference
import tensorflow as tf

from brave_tf.data.augment.random_solarization import random_solarization
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


@pytest.mark.parametrize("frames, starts", [(40, range(9)), (20, [0])])
def test_a_view_may_hold_the_first_frame_and_leave_out_the_last_start(frames, starts):
    view, clip = RgbView(last_start=False, hold_first=True), clip_of(frames)
    draw = tf.function(lambda seed: view.random_start(clip, seed, loop=True))
    drawn = {round(float(draw(tf.constant([i, 0]))) * 25, 6) for i in range(200)}
    assert drawn == set(starts)
    first, window, length = view.crop_times(clip, 3)
    np.testing.assert_allclose(first * 25, [0, max(frames - 31, 0) // 2, max(frames - 31, 0)])
    if frames < 31:
        held = [max(2 * i - 11, 0) for i in range(16)]
        np.testing.assert_array_equal(view.frame_indices(clip, 0.2), held)


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
        ("region", (0.5, 0.0, 0.5, 1.0)),
        ("region", (0.0, 0.6, 1.0, 0.4)),
        ("region", (0.0, 0.0, 1.0, 1.1)),
        ("region", (-0.1, 0.0, 1.0, 1.0)),
        ("region", (0.0, float("nan"), 1.0, 1.0)),
        ("region", (0.0, 0.0, 1.0)),
        ("region", 0.5),
        ("region", ("a", "b", "c", "d")),
    ],
)
def test_refuses_numbers_that_cannot_be_used(field, value):
    with pytest.raises(UserError, match=rf"RgbView\.{field}"):
        RgbView(**{field: value})


def raw_clip(frames):
    """A clip of frames that were never JPEGs, as those of media files."""
    return clip_of(1)._replace(images=tf.constant(frames), flow=tf.constant(frames))


# Region, and the rows and columns of 45 x 80 pixels that it is.
REGIONS = [
    ((0.2, 0.25, 0.8, 0.75), (slice(9, 36), slice(20, 60))),
    ((0.0, 0.5, 1.0, 1.0), (slice(0, 45), slice(40, 80))),
    # 22.5 and 32.4, 16.8 and 49.6.
    ((0.5, 0.21, 0.72, 0.62), (slice(22, 32), slice(17, 50))),
    # Less than a pixel.
    ((0.999, 0.0, 1.0, 0.001), (slice(44, 45), slice(0, 1))),
]


@pytest.mark.parametrize("kind", [RgbView, FlowView])
@pytest.mark.parametrize(("region", "part"), REGIONS)
def test_a_region_is_seen_as_if_it_were_the_frame(kind, region, part):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 45, 80, 3), np.uint8)
    view = kind(num_frames=3, frame_step=1, size=16, augmentations=())
    some = dataclasses.replace(view, region=region)
    whole, cut = raw_clip(pixels), raw_clip(pixels[:, part[0], part[1]])
    np.testing.assert_array_equal(some.crops(whole, 2, 3), view.crops(cut, 2, 3))
    for number in range(3):
        seed = (number, 7)
        np.testing.assert_array_equal(some.sample(whole, 0.0, seed), view.sample(cut, 0.0, seed))
    assert np.abs(some.crops(whole, 1, 1) - view.crops(whole, 1, 1)).max() > 0.1


def test_nothing_of_a_jpeg_but_the_region_is_decoded():
    frames = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), np.uint8)
    jpegs = [record_fixtures.jpeg(frame) for frame in frames]
    record = record_fixtures.record(images=jpegs)
    view = RgbView(num_frames=2, frame_step=1, size=16, resize=16, region=(0.5, 0.5, 1, 1))
    asked = []
    decode = tf.image.decode_and_crop_jpeg

    def decode_and_note(jpeg, window, **kwargs):
        asked.append(np.array(window).tolist())
        return decode(jpeg, window, **kwargs)

    with mock.patch.object(tf.image, "decode_and_crop_jpeg", decode_and_note):
        clip = parse_clip(tf.constant(record), ("image/encoded",))
        view.crops(clip, 1, 1)
        view.sample(clip, 0.0, (1, 2))
    assert asked[:2] == [[24, 32, 24, 32]] * 2
    for top, left, height, width in asked[2:]:
        assert top >= 24 and left >= 32 and top + height <= 48 and left + width <= 64


def test_gin_binds_a_region_as_a_tuple_or_a_list():
    gin.parse_config(
        "narrow/RgbView.region = (0, 0, 0.5, 1)\nbroad/RgbView.region = [0, 0, 0.5, 1]"
    )
    for scope in ("narrow", "broad"):
        with gin.config_scope(scope):
            assert RgbView().region == (0.0, 0.0, 0.5, 1.0)
            assert hash(RgbView()) != hash(RgbView(region=None))
    assert FlowView().region is None


def test_views_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RgbView().size = 3


MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pictures(number=6):
    rng = np.random.default_rng(0)
    jpegs = [
        record_fixtures.jpeg(rng.integers(0, 256, (40, 56, 3), np.uint8)) for _ in range(number)
    ]
    record = record_fixtures.record(images=jpegs, flow=jpegs, flow_bound=20.0)
    return parse_clip(tf.constant(record), ("image/encoded", "FORWARD_FLOW/encoded"))


@pytest.mark.parametrize(
    "kind, mean, deviation",
    [(RgbView, MEAN, DEVIATION), (RgbView, 0.45, 0.225), (FlowView, (0.1, 0.2), 0.5)],
)
def test_values_are_normalised_at_the_very_end(kind, mean, deviation):
    """In training windows after the augmentations, and in test crops, which have none."""
    clip, plain = pictures(), kind(num_frames=3, frame_step=1, size=16)
    view = dataclasses.replace(plain, mean=mean, deviation=deviation)
    mean, deviation = np.array(mean), np.array(deviation)
    values = plain.sample(clip, 0.0, (1, 2))
    found = view.sample(clip, 0.0, (1, 2))
    np.testing.assert_allclose(found, (values - mean) / deviation, atol=1e-5)
    np.testing.assert_allclose(view.shown(found.numpy()), values, atol=1e-5)
    np.testing.assert_allclose(
        view.crops(clip, 2, 3), (plain.crops(clip, 2, 3) - mean) / deviation, atol=1e-5
    )
    np.testing.assert_array_equal(plain.shown(values.numpy()), values)


def test_what_the_step_finishes_is_normalised_there():
    clip = pictures()
    options = {"num_frames": 3, "frame_step": 1, "size": 16, "mean": MEAN, "deviation": DEVIATION}
    steps = (random_solarization,)
    whole = RgbView(augmentations=steps, **options)
    parts = RgbView(augmentations=(), step_augmentations=steps, **options)
    for i in range(8):
        unfinished = parts.unfinished().sample(clip, 0.0, (i, 2))
        assert unfinished.numpy().min() >= 0 and unfinished.numpy().max() <= 1
        np.testing.assert_allclose(
            parts.finish(unfinished, (i, 2)), whole.sample(clip, 0.0, (i, 2)), atol=1e-6
        )


@pytest.mark.parametrize(
    "values, message",
    [
        ({"mean": 0.5}, "RgbView.mean = 0.5.*as mean and deviation both"),
        ({"deviation": 0.5}, "RgbView.mean = None"),
        ({"mean": (0.5, 0.5), "deviation": 0.2}, "RgbView.mean = .*3 numbers"),
        ({"mean": "imagenet", "deviation": 0.2}, "RgbView.mean = 'imagenet'"),
        ({"mean": 0.5, "deviation": 0.0}, "RgbView.deviation = 0.0.*numbers above 0"),
        ({"crop_draw": "width"}, "RgbView.crop_draw = 'width': expected one of height, area"),
    ],
)
def test_unusable_normalisation_and_draws_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        RgbView(**values)


def test_crops_are_drawn_as_the_view_says():
    clip, options = pictures(1), {"num_frames": 1, "size": 16, "augmentations": ()}
    drawn = [RgbView(crop_draw=draw, **options) for draw in ("height", "area")]
    first, second = (view.sample(clip, 0.0, (1, 2)).numpy() for view in drawn)
    assert np.abs(first - second).max() > 0.05
    assert drawn[0] == RgbView(**options) != drawn[1]
    assert repr(drawn[0]) == repr(RgbView(**options))


def test_normalisation_can_be_bound():
    gin.parse_config("""
        import brave_tf.data.views.rgb
        narrow/RgbView.mean = (0.485, 0.456, 0.406)
        narrow/RgbView.deviation = (0.229, 0.224, 0.225)
        narrow/RgbView.min_aspect = 0.75
        narrow/RgbView.max_area = 0.766
    """)
    with gin.config_scope("narrow"):
        view = RgbView(min_area=0.2)
    assert (view.mean, view.deviation, view.min_aspect, view.max_area) == (
        MEAN,
        DEVIATION,
        0.75,
        0.766,
    )
