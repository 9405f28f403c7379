import dataclasses

import drawn_windows
import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.augment.random_flip import flip
from brave_tf.data.views import squares
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.evaluation.features.windows import EvalWindows

FRAMES = np.random.default_rng(0).random((3, 10, 14, 3), np.float32)


def test_the_corners_and_the_centre_are_cut_and_mirrored():
    found = np.stack(squares.of_corners(tf.constant(FRAMES), 6))
    corners = [FRAMES[:, :6, :6], FRAMES[:, :6, 8:], FRAMES[:, 4:, :6], FRAMES[:, 4:, 8:]]
    cut = [*corners, FRAMES[:, 2:8, 4:10]]
    np.testing.assert_array_equal(found, [*cut, *(each[:, :, ::-1] for each in cut)])


@pytest.mark.parametrize("count", [1, 3, 5])
def test_squares_on_the_diagonal(count):
    found = np.stack(squares.on_the_diagonal(tf.constant(FRAMES), 6, count))
    shares = [0.5] if count == 1 else np.linspace(0, 1, count)
    for square, share in zip(found, shares):
        top, left = int(4 * share + 1e-6), int(8 * share + 1e-6)
        np.testing.assert_array_equal(square, FRAMES[:, top : top + 6, left : left + 6])


@pytest.mark.parametrize("kind", [RgbView, FlowView])
def test_evaluations_see_ten_crops_that_are_normalised(kind):
    pixels = np.random.default_rng(1).integers(0, 256, (4, 20, 28, 3), np.uint8)
    clip = drawn_windows.clip(1)._replace(images=tf.constant(pixels), flow=tf.constant(pixels))
    plain = kind(num_frames=2, frame_step=1, size=8, resize=12)
    settings = EvalWindows(temporal_crops=2, corner_crops=True, num_frames=2)
    view = settings.test_view(settings.view(plain, is_narrow=False))
    assert settings.crops(view) == (2, 10)
    found = view.crops(clip, *settings.crops(view)).numpy()
    (centre,) = plain.crops(clip, 1, 1).numpy()
    np.testing.assert_allclose(found[4], centre, atol=1e-6)
    # Of flow, u changes its sign.
    np.testing.assert_allclose(found[9], flip(tf.constant(centre)), atol=1e-6)
    shifted = dataclasses.replace(view, mean=0.4, deviation=0.2)
    np.testing.assert_allclose(shifted.crops(clip, 2, 10), (found - 0.4) / 0.2, atol=1e-5)


def test_corners_are_ten():
    with pytest.raises(UserError, match="cuts 10 squares of a window, not 3"):
        squares.of_corners(tf.constant(FRAMES), 6, 3)
