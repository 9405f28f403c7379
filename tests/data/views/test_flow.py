import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.views.flow import FlowView
from brave_tf.errors import UserError

WHOLE = {"num_frames": 3, "frame_step": 1, "size": 16, "min_area": 1.0}


def always_flip(video, seed):
    return random_flip(video, seed, probability=1.0)


def encode(u, v, bound):
    """Encodes displacements in pixels, (H, W) each, as the writer of records does."""
    levels = [np.rint((np.clip(x, -bound, bound) + bound) * 255 / (2 * bound)) for x in (u, v)]
    return record_fixtures.jpeg(np.stack([*levels, np.full_like(u, 128)], -1).astype(np.uint8), 100)


def clip_of(u, v, bound=20.0, height=32, width=64, stored=True):
    jpeg = encode(np.full((height, width), u), np.full((height, width), v), bound)
    record = record_fixtures.record(flow=[jpeg] * 5, flow_bound=bound if stored else None)
    return parse_clip(tf.constant(record), (record_fields.FLOW,))


def test_resizing_scales_displacements():
    view = FlowView(**WHOLE, augmentations=())
    got = view.sample(clip_of(u=10.0, v=-6.0), 0.0, (1, 2)).numpy()
    assert got.shape == (3, 16, 16, 2)
    # 64 x 32 pixels become 16 x 16: u is a quarter, v half. One level of the JPEG is 0.16 pixels.
    np.testing.assert_allclose(got[..., 0] * 20, 10 / 4, atol=0.16)
    np.testing.assert_allclose(got[..., 1] * 20, -6 / 2, atol=0.16)


def test_crops_scale_displacements():
    view = FlowView(**WHOLE, resize=24)
    got = view.crops(clip_of(u=10.0, v=-6.0), 2, 3).numpy()
    assert got.shape == (6, 3, 16, 16, 2)
    np.testing.assert_allclose(got[..., 0] * 20, 10 * 48 / 64, atol=0.16)
    np.testing.assert_allclose(got[..., 1] * 20, -6 * 24 / 32, atol=0.16)


def test_regions_scale_displacements():
    clip = clip_of(u=8.0, v=-4.0)
    # 32 x 16 of 64 x 32 pixels become 16 x 16: u is half, v as it was.
    region = {"region": (0.25, 0.25, 0.75, 0.75)}
    sampled = FlowView(**WHOLE, **region, augmentations=()).sample(clip, 0.0, (1, 2)).numpy()
    np.testing.assert_allclose(sampled[..., 0] * 20, 8 / 2, atol=0.16)
    np.testing.assert_allclose(sampled[..., 1] * 20, -4, atol=0.16)
    crops = FlowView(**WHOLE, **region, resize=24).crops(clip, 2, 3).numpy()
    np.testing.assert_allclose(crops[..., 0] * 20, 8 * 48 / 32, atol=0.24)
    np.testing.assert_allclose(crops[..., 1] * 20, -4 * 24 / 16, atol=0.24)


def test_squeezed_frames_scale_displacements_by_side():
    view = FlowView(num_frames=1, size=32, resize=32, squeeze=True, augmentations=())
    got = view.crops(clip_of(u=10.0, v=10.0, height=64, width=128), 1, 1).numpy() * 20
    np.testing.assert_allclose(got[..., 0], 10 / 4, atol=0.2)
    np.testing.assert_allclose(got[..., 1], 10 / 2, atol=0.2)


def test_random_crops_scale_displacements_more_the_smaller_they_are():
    view = FlowView(num_frames=1, size=32, min_area=0.25, max_area=0.3, augmentations=())
    got = view.sample(clip_of(u=5.0, v=5.0), 0.0, (1, 2)).numpy() * 20
    # The crop has 512 to 614 of the 2048 pixels; the scales' product is that of the areas.
    product = got[..., 0].mean() * got[..., 1].mean() / 25
    assert 1024 / 614 * 0.9 < product < 1024 / 512 * 1.1


def test_flipping_negates_u_and_mirrors():
    u, v = np.zeros((16, 16)), np.zeros((16, 16))
    u[:, :8], v[:, :8] = 8.0, 4.0
    record = record_fixtures.record(flow=[encode(u, v, 20.0)] * 3)
    clip = parse_clip(tf.constant(record), (record_fields.FLOW,))
    straight = FlowView(**WHOLE, augmentations=()).sample(clip, 0.0, (1, 2)).numpy()
    flipped = FlowView(**WHOLE, augmentations=(always_flip,)).sample(clip, 0.0, (1, 2)).numpy()
    np.testing.assert_allclose(flipped[..., 0], -straight[:, :, ::-1, 0])
    np.testing.assert_allclose(flipped[..., 1], straight[:, :, ::-1, 1])
    assert flipped[0, 8, 12, 0] == pytest.approx(-8 / 20, abs=0.02)


def test_values_are_clipped():
    view = FlowView(num_frames=1, size=64, min_area=1.0, augmentations=())
    got = view.sample(clip_of(u=20.0, v=-20.0, height=16, width=16), 0.0, (1, 2)).numpy()
    np.testing.assert_array_equal(got[..., 0], 1.0)
    np.testing.assert_array_equal(got[..., 1], -1.0)


@pytest.mark.parametrize("u", [0.0, 12.0, -12.0])
def test_bounds_of_records_are_brought_to_the_bound_of_the_view(u):
    view = FlowView(**WHOLE, augmentations=())
    wide = view.sample(clip_of(u, 0.0, bound=40.0), 0.0, (1, 2)).numpy()
    default = view.sample(clip_of(u, 0.0, stored=False), 0.0, (1, 2)).numpy()
    np.testing.assert_allclose(wide, default, atol=0.32 / 2 / 20)


def test_zero_is_half_a_level_above_zero():
    view = FlowView(num_frames=1, size=16, min_area=1.0, augmentations=())
    got = view.sample(clip_of(0.0, 0.0, height=16, width=16), 0.0, (1, 2)).numpy()
    np.testing.assert_allclose(got, 1 / 255, atol=1e-6)


def test_flip_is_the_only_default_augmentation():
    assert FlowView().augmentations == (random_flip,)


def test_refuses_a_bound_of_zero():
    with pytest.raises(UserError, match=r"FlowView\.bound"):
        FlowView(bound=0.0)
