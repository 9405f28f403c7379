import colorsys
import itertools
from unittest import mock

import gin
import numpy as np
import peer_values
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from brave_tf.data.augment import color_jitter as module
from brave_tf.data.augment.color_jitter import color_jitter, jitter_colors
from brave_tf.errors import UserError

LUMA = np.array([0.2989, 0.587, 0.114])
AMOUNTS = (1.35, 0.6, 1.5, 0.11)


def changed(video, order, amounts, method, mean_of):
    """An independent computation, with the standard library's HSV."""
    axes = (0, 1, 2) if mean_of == "clip" else (1, 2)

    def in_hsv(change):
        flat = [change(*colorsys.rgb_to_hsv(*pixel)) for pixel in video.reshape(-1, 3)]
        return np.array([colorsys.hsv_to_rgb(*pixel) for pixel in flat]).reshape(video.shape)

    for kind in order:
        amount, luma = amounts[kind], (video @ LUMA)[..., None]
        if kind == 0:
            video = video * amount
        elif kind == 1:
            mean = (luma if method == "blend" else video).mean(axes, keepdims=True)
            video = amount * video + (1 - amount) * mean
        elif kind == 2 and method == "blend":
            video = amount * video + (1 - amount) * luma
        elif kind == 2:
            video = in_hsv(lambda h, s, v, by=amount: (h, min(s * by, 1), v))
        else:
            video = in_hsv(lambda h, s, v, by=amount: ((h + by) % 1, s, v))
        video = np.clip(video, 0, 1)
    return video


@pytest.mark.parametrize("method", ["blend", "tensorflow"])
@pytest.mark.parametrize("mean_of", ["frame", "clip"])
def test_all_orders_match_an_independent_computation(method, mean_of):
    video = np.random.default_rng(0).random((2, 3, 4, 3)).astype(np.float32)
    video[1] *= 0.5
    jit = tf.function(lambda order: jitter_colors(video, order, AMOUNTS, method, mean_of))
    results = []
    for order in itertools.permutations(range(4)):
        got = jit([tf.constant(index) for index in order]).numpy()
        np.testing.assert_allclose(got, changed(video, order, AMOUNTS, method, mean_of), atol=2e-5)
        results.append(got)
    assert np.abs(results[0] - results[-1]).max() > 0.05


@pytest.mark.parametrize("order", ["0123", "3102"])
def test_it_is_cvrls(shared_dir, order):
    golden, x, constants = peer_values.case(shared_dir, "cvrl", "augment")
    amounts = [constants[key] for key in ("brightness", "contrast", "saturation", "hue")]
    video = tf.constant(x["image"])[tf.newaxis]
    found = jitter_colors(video, list(map(int, order)), amounts, "tensorflow", "clip")[0]
    np.testing.assert_allclose(found, golden[f"augment/jitter_order_{order}"], atol=1e-5)
    brighter = jitter_colors(video, [0], amounts, "tensorflow", "clip")[0]
    # Which was noted before it is clipped.
    expected = np.clip(golden["augment/brightness"], 0, 1)
    np.testing.assert_allclose(brighter, expected, atol=1e-6)


def test_blends_are_pillows():
    """Which computes in whole numbers, and whose luma has other last digits."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8)
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    video = tf.constant(pixels[np.newaxis] / np.float32(255))
    for kind, enhance in enumerate(enhancers):
        expected = np.asarray(enhance(Image.fromarray(pixels)).enhance(AMOUNTS[kind])) / 255.0
        found = jitter_colors(video, [kind], AMOUNTS, "blend", "frame")[0]
        np.testing.assert_allclose(found, expected, atol=1.6 / 255)


def test_factors_stay_in_their_ranges_and_are_the_same_for_all_frames():
    video = tf.repeat(tf.fill((1, 2, 2, 3), 0.4), 3, axis=0)
    factors = []
    for i in range(200):
        got = color_jitter(video, (i, 0), 1.0, brightness=0.6, contrast=0, saturation=0, hue=0)
        np.testing.assert_array_equal(got[0], got[2])
        factors.append(float(got[0, 0, 0, 0]) / 0.4)
    assert 0.4 - 1e-5 <= min(factors) < 0.45 and 1.55 < max(factors) <= 1.6 + 1e-5
    low = [color_jitter(video, (i, 0), 1.0, 1.7, 0, 0, 0).numpy().min() for i in range(50)]
    assert 0 <= min(low) < 0.1


def test_all_orders_are_drawn():
    drawn = []

    def note(video, order, *_):
        drawn.append(tuple(int(index) for index in order))
        return video

    with mock.patch.object(module, "jitter_colors", note):
        for i in range(240):
            color_jitter(tf.zeros((1, 2, 2, 3)), (i, 0), probability=1.0)
    counts = [drawn.count(order) for order in itertools.permutations(range(4))]
    assert sum(counts) == 240 and min(counts) >= 1 and max(counts) <= 25


def test_four_fifths_of_the_videos_are_changed():
    video = np.random.default_rng(0).random((1, 2, 2, 3), np.float32)
    drawn = [not np.array_equal(color_jitter(video, (i, 0)), video) for i in range(200)]
    assert 0.7 < np.mean(drawn) < 0.9


def test_it_can_be_bound_and_compiled():
    gin.parse_config("""
        import brave_tf.data.augment.color_jitter
        color_jitter.probability = 1.0
        color_jitter.hue = 0.15
        color_jitter.mean_of = 'clip'
    """)
    video = tf.constant(np.random.default_rng(0).random((2, 4, 4, 3), np.float32))
    compiled = tf.function(lambda seed: color_jitter(video, seed), jit_compile=True)
    found = compiled(tf.constant([3, 4])).numpy()
    # XLA draws other numbers from a seed.
    assert found.min() >= 0 and found.max() <= 1 and np.abs(found - video).max() > 0.05
    changes = [[tf.constant(index) for index in (3, 1, 0, 2)], list(AMOUNTS), "blend", "clip"]
    compiled = tf.function(lambda: jitter_colors(video, *changes), jit_compile=True)
    np.testing.assert_allclose(compiled(), jitter_colors(video, *changes), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hue": 0.6}, "color_jitter.hue = 0.6: expected 0 to 0.5"),
        ({"contrast": -0.1}, "color_jitter.contrast = -0.1: expected 0 or more"),
        ({"method": "yiq"}, "color_jitter.method = 'yiq': expected one of blend, tensorflow"),
        ({"mean_of": "batch"}, "color_jitter.mean_of = 'batch': expected one of frame, clip"),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        color_jitter(tf.zeros((1, 2, 2, 3)), (1, 2), **arguments)


def test_refuses_flow():
    with pytest.raises(UserError, match="color_jitter"):
        color_jitter(tf.zeros((1, 2, 2, 2)), (1, 2))
