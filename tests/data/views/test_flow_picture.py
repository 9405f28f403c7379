import dataclasses

import drawn_windows
import numpy as np
import pytest
import tensorflow as tf

from brave_tf import modality_registry
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.views.flow_picture import FlowPictureView
from brave_tf.errors import UserError

WHOLE = {"num_frames": 3, "frame_step": 1, "size": 16, "min_area": 1.0, "augmentations": ()}
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# A record of 20 pixels: a rightward displacement by column, 4 pixels upwards, and what it has in blue.
U = np.linspace(-20, 20, 16)
PIXELS = np.empty((5, 16, 16, 3), np.uint8)
PIXELS[..., 0] = np.rint((U + 20) * 255 / 40)
PIXELS[..., 1], PIXELS[..., 2] = round((-4 + 20) * 255 / 40), 128


def clip(pixels=PIXELS, bound=20.0):
    empty = drawn_windows.clip(1)
    return empty._replace(flow=tf.constant(pixels), flow_bound=tf.constant(bound))


def sampled(view, of=None):
    return view.sample(of or clip(), tf.constant(0.0, tf.float64), (1, 2)).numpy()


def test_it_is_the_picture_that_is_stored_without_blue():
    found = sampled(FlowPictureView(**WHOLE))
    assert found.shape == (3, 16, 16, 3)
    np.testing.assert_allclose(found[..., :2], PIXELS[:3, ..., :2] / 255, atol=1e-6)
    np.testing.assert_array_equal(found[..., 2], 0)
    assert np.all(sampled(FlowPictureView(**WHOLE, third=0.5))[..., 2] == 0.5)


def test_displacements_stay_as_they_are_in_crops_of_another_size():
    large = np.repeat(np.repeat(PIXELS[:, :, :1], 64, 1), 32, 2)[:, :64, :32]
    for found in (
        sampled(FlowPictureView(**WHOLE), clip(large)),
        FlowPictureView(**WHOLE).crops(clip(large), 2, 3).numpy(),
    ):
        np.testing.assert_allclose(found[..., 1], PIXELS[0, 0, 0, 1] / 255, atol=1e-6)


def test_records_of_another_bound_are_brought_to_that_of_the_view():
    found = sampled(FlowPictureView(**WHOLE), clip(bound=40.0))
    expected = np.clip(((PIXELS[:3, ..., :2] / 255 * 2 - 1) * 40 / 20 + 1) / 2, 0, 1)
    np.testing.assert_allclose(found[..., :2], expected, atol=1e-6)


def test_a_flip_is_that_of_a_picture():
    always = lambda video, seed: random_flip(video, seed, probability=1.0)  # noqa: E731
    plain = FlowPictureView(**WHOLE)
    flipped = sampled(dataclasses.replace(plain, augmentations=(always,)))
    np.testing.assert_array_equal(flipped, sampled(plain)[:, :, ::-1])


def test_shown_are_displacements_whatever_the_mean():
    view = FlowPictureView(**WHOLE, mean=MEAN, deviation=DEVIATION)
    found = sampled(view)
    np.testing.assert_allclose(found[..., 2], -0.406 / 0.225, rtol=1e-5)
    shown = view.shown(found)
    # Within half a level of 256.
    np.testing.assert_allclose(shown[..., 0], np.broadcast_to(U / 20, (3, 16, 16)), atol=1 / 255)
    np.testing.assert_allclose(shown[..., 1], -4 / 20, atol=1 / 255)
    assert modality_registry.find("flow").window_picture(shown) is not None


def test_exports_make_pictures_of_what_records_store():
    view = FlowPictureView(**WHOLE, resize=16, mean=MEAN, deviation=DEVIATION)
    made = modality_registry.find("flow").signatures(
        "v", view, (None, 16, 16, 3), lambda x: {"seen": x}
    )
    expected = view.crops(clip(PIXELS[:3]), 1, 1).numpy()[0]
    for signature in ("v_uint8", "v_frames"):
        found = made[signature](tf.constant(PIXELS[np.newaxis, :3]))["seen"].numpy()[0]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    values = np.random.default_rng(0).random((1, 3, 16, 16, 3), np.float32)
    found = made["v"](tf.constant(values))["seen"].numpy()
    np.testing.assert_allclose(found, (values - MEAN) / DEVIATION, atol=1e-5)


def test_refuses_a_third_channel_out_of_range():
    with pytest.raises(UserError, match="FlowPictureView.third = 2"):
        FlowPictureView(third=2)
