import colorsys

import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.data.augment.random_color import (
    METHODS,
    adjust_color,
    adjust_color_by_addons,
    random_color,
)
from brave_tf.errors import UserError

pytestmark = pytest.mark.usefixtures("either_way")


def numpy_adjust(video, brightness, saturation, contrast, hue):
    """An independent computation with the standard library's HSV."""

    def in_hsv(video, change):
        flat = [change(*colorsys.rgb_to_hsv(*pixel)) for pixel in video.reshape(-1, 3)]
        return np.array([colorsys.hsv_to_rgb(*pixel) for pixel in flat]).reshape(video.shape)

    video = in_hsv(video + brightness, lambda h, s, v: (h, np.clip(s * saturation, 0, 1), v))
    mean = video.mean(axis=(1, 2), keepdims=True)
    video = (video - mean) * contrast + mean
    return np.clip(in_hsv(video, lambda h, s, v: ((h + hue) % 1, s, v)), 0, 1)


@pytest.mark.parametrize("amounts", [(0.1, 1.3, 0.7, 0.15), (-0.05, 0.6, 1.2, -0.2), (0, 1, 1, 0)])
def test_adjust_color_matches_an_independent_computation(amounts):
    video = np.random.default_rng(0).uniform(0.3, 0.7, (2, 4, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(
        adjust_color(video, *amounts), numpy_adjust(video, *amounts), atol=1e-5
    )


@pytest.mark.parametrize("number", [0, 1])
def test_adjust_color_matches_the_reference(golden_dir, number):
    arrays, cases = reference.values(golden_dir, "ops")
    video = reference.recipe(golden_dir).moving_video_input(830, (1, 3, 12, 14, 3))[0]
    case = cases[f"color/{number}"]
    got = adjust_color(video, *(case[k] for k in ("brightness", "saturation", "contrast", "hue")))
    np.testing.assert_allclose(got, arrays[f"color/{number}/output"], atol=1e-5)


def test_draws_stay_in_their_ranges_and_are_the_same_for_all_frames():
    frame = tf.fill((1, 2, 2, 3), 0.5)
    video = tf.repeat(frame, 3, axis=0)
    changes = []
    for i in range(200):
        got = random_color(
            video, (i, 0), probability=1.0, saturation=(1, 1), contrast=(1, 1), hue=0.0
        )
        np.testing.assert_array_equal(got[0], got[2])
        changes.append(float(got[0, 0, 0, 0]) - 0.5)
    limit = 32 / 255
    assert -limit <= min(changes) < -0.9 * limit and 0.9 * limit < max(changes) <= limit


def test_is_left_out_sometimes():
    video = tf.random.stateless_uniform((1, 2, 2, 3), (1, 2))
    same = [np.array_equal(random_color(video, (i, 0)), video) for i in range(200)]
    assert 0.1 < np.mean(same) < 0.3


def test_refuses_flow():
    with pytest.raises(UserError, match="random_color"):
        random_color(tf.zeros((1, 2, 2, 2)), (1, 2))


def extreme_colors():
    """All colours of a coarse grid, with grays, black, white and pure colours."""
    levels = np.linspace(0, 1, 6, dtype=np.float32)
    return np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, 12, 18, 3)


@pytest.mark.parametrize(
    "amounts", [(0.3, 3.0, 1.5, 0.45), (-0.4, 0.0, 0.2, -0.9), (0.0, 1.0, 1.0, 0.5), (-1, 2, 1, 0)]
)
def test_extreme_colors_and_amounts_match_tensorflow(amounts):
    brightness, saturation, contrast, hue = amounts
    expected = tf.image.adjust_brightness(extreme_colors(), brightness)
    expected = tf.image.adjust_saturation(expected, saturation)
    expected = tf.image.adjust_contrast(expected, contrast)
    expected = tf.clip_by_value(tf.image.adjust_hue(expected, hue), 0, 1)
    np.testing.assert_allclose(adjust_color(extreme_colors(), *amounts), expected, atol=1e-5)


def numpy_yiq(video, brightness, saturation, contrast, hue):
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    mean = (video + brightness).mean(axis=(1, 2), keepdims=True)
    y, i, q = np.moveaxis((mean + contrast * (video + brightness - mean)) @ to_yiq.T, -1, 0)
    colors = (i + 1j * q) * saturation * np.exp(-2j * np.pi * hue)
    yiq = np.stack([y, colors.real, colors.imag], -1)
    return np.clip(yiq @ np.linalg.inv(to_yiq).T, 0, 1)


@pytest.mark.parametrize("amounts", [(0.1, 1.3, 0.7, 0.15), (-0.05, 0.6, 1.2, -0.2), (0, 1, 1, 0)])
def test_addons_matches_an_independent_computation(amounts):
    video = np.random.default_rng(0).random((2, 5, 7, 3)).astype(np.float32)
    amounts = [np.float32(amount) for amount in amounts]
    got = adjust_color_by_addons(video, *amounts)
    np.testing.assert_allclose(got, numpy_yiq(video, *amounts), atol=2e-5)


@pytest.mark.parametrize("amounts", [(0.1, 1.1, 0.9, 0.03), (-0.05, 0.9, 1.1, -0.03)])
def test_addons_is_near_the_exact_change(amounts):
    video = np.random.default_rng(0).uniform(0.3, 0.7, (2, 6, 8, 3)).astype(np.float32)
    exact, near = adjust_color(video, *amounts), adjust_color_by_addons(video, *amounts)
    assert np.abs(exact - near).mean() < 0.03 < np.abs(exact - video).mean()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_works_inside_a_dataset(method):
    video = tf.random.stateless_uniform((2, 8, 8, 3), (1, 2))
    seeds = tf.data.Dataset.range(4).map(lambda i: tf.stack([tf.cast(i, tf.int32), 0]))

    def color(seed):
        return random_color(video, seed, probability=1.0, method=method)

    for seed, got in zip(seeds, seeds.map(color, num_parallel_calls=2)):
        np.testing.assert_allclose(got, color(seed), atol=1e-5)


def test_refuses_an_unknown_method():
    with pytest.raises(UserError, match=r"random_color\.method = 'hsv'.*exact, addons"):
        random_color(tf.zeros((1, 2, 2, 3)), (1, 2), method="hsv")


def test_the_former_yiq_is_what_addons_computes():
    video = tf.random.stateless_uniform((2, 8, 8, 3), (1, 2))
    former = random_color(video, (3, 4), probability=1.0, method="yiq")
    np.testing.assert_array_equal(former, random_color(video, (3, 4), 1.0, method="addons"))


def test_clips_of_many_pixels_are_changed_like_their_parts():
    # More pixels than the kernels take at a time, and no multiple of it.
    video = np.random.default_rng(0).random((3, 31, 37, 3), np.float32)
    amounts = (0.1, 1.3, 1.0, 0.15)  # Contrast alone looks at other pixels.
    expected = [adjust_color(video[:, i : i + 1], *amounts) for i in range(31)]
    np.testing.assert_allclose(
        adjust_color(video, *amounts), np.concatenate(expected, 1), atol=5e-6
    )


def test_contrast_is_relative_to_the_mean_of_each_frame_and_channel():
    video = np.random.default_rng(0).uniform(0.2, 0.8, (3, 31, 37, 3)).astype(np.float32)
    mean = video.mean(axis=(1, 2), keepdims=True)
    got = adjust_color(video, 0, 1, 0.5, 0)
    np.testing.assert_allclose(got, (video - mean) * 0.5 + mean, atol=1e-5)
