"""Views as pictures."""

import colorsys
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.views.rgb import RgbView
from brave_tf.training.monitors.clip_pictures import ClipPictures, picture


def test_frames_lie_side_by_side_evenly_spaced():
    values = np.zeros((15, 6, 10, 3), np.float32) + np.arange(15)[:, None, None, None] / 16
    strip = picture("rgb", values)
    # 8 of 15 frames: every second one.
    assert strip.shape == (6, 8 * 10 + 7 * 4, 3)
    for position, frame in enumerate(range(0, 15, 2)):
        x = position * 14
        np.testing.assert_array_equal(strip[:, x : x + 10], np.rint(frame / 16 * 255))
        assert (strip[:, x + 10 : x + 14] == 255).all()


def test_few_frames_are_all_shown_and_large_ones_made_smaller():
    assert picture("rgb", np.zeros((2, 224, 448, 3), np.float32)).shape == (56, 2 * 112 + 4, 3)
    assert picture("rgb", np.full((1, 4, 4, 3), 1.5, np.float32)).max() == 255


@pytest.mark.parametrize("length", [0.01, 1.0])
def test_flow_has_a_colour_for_its_direction_however_small(length):
    values = np.zeros((1, 8, 8, 2), np.float32)
    values[..., 0] = length
    right = picture("flow", values)
    left = picture("flow", -values)
    hues = [colorsys.rgb_to_hsv(*(each[0, 0] / 255))[0] for each in (right, left)]
    assert hues[0] == pytest.approx(0, abs=0.05) or hues[0] == pytest.approx(1, abs=0.05)
    assert hues[1] == pytest.approx(0.5, abs=0.1)


def test_flow_without_motion_is_white():
    assert (picture("flow", np.zeros((3, 4, 4, 2), np.float32)) == 255).all()


def test_a_spectrogram_has_time_to_the_right_and_low_frequencies_below():
    values = np.full((50, 10), -4.0, np.float32)
    values[30:, 2] = 3.0
    shown = picture("audio", values).astype(int).sum(axis=-1)
    assert shown.shape == (10, 50)
    assert (shown[-3, 30:] > 600).all() and shown[-3, :30].max() < 20 and shown[:-3].max() < 20


def test_other_modalities_are_not_drawn():
    assert picture("depth", np.zeros((2, 4, 4, 1), np.float32)) is None


def test_values_are_shown_without_a_views_normalisation():
    view = RgbView(num_frames=2, size=4, mean=(0.4, 0.5, 0.6), deviation=0.2)
    colours = np.zeros((1, 2, 4, 4, 3), np.float32) + np.array([0.2, 0.8, 1.0], np.float32)
    normalised = view.normalised(tf.constant(colours))
    charts = mock.Mock()
    ClipPictures().show(charts, {"narrow": view}, {"narrow": normalised}, 7)
    (_, images, _), _ = charts.pictures.call_args
    np.testing.assert_array_equal(images[0][0, 0], np.rint(np.array([0.2, 0.8, 1.0]) * 255))
