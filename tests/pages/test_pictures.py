"""Colours of flow and spectrograms, and pictures as data URIs."""

import base64
import io

import cv2
import numpy as np
import pytest

from brave_tf.pages import pictures


def colour(u, v, scale=1.0):
    return pictures.flow_colours(np.array([u, v], float), scale).tolist()


def test_the_directions_have_the_colours_of_the_benchmark():
    # Red rightwards, and from there clockwise, as y points down: yellow, green, cyan and blue, magenta.
    assert colour(1, 0) == [255, 0, 0]
    angles = 2 * np.pi * np.array([15, 21, 25, 36, 49]) / 54
    shown = [colour(np.cos(a), np.sin(a)) for a in angles]
    expected = [[255, 255, 0], [0, 255, 0], [0, 255, 255], [0, 0, 255], [255, 0, 255]]
    np.testing.assert_allclose(shown, expected, atol=1)


def test_rest_is_white_and_more_than_the_scale_is_darker():
    assert colour(0, 0) == [255, 255, 255]
    assert colour(0.5, 0) == [255, 128, 128]
    assert colour(3, 0, scale=6) == [255, 128, 128]
    assert colour(2, 0) == [191, 0, 0]


def test_opposite_directions_differ_and_neighbours_do_not():
    angles = np.linspace(0, 2 * np.pi, 721)[:-1]
    around = pictures.flow_colours(np.stack([np.cos(angles), np.sin(angles)], -1), 1.0).astype(int)
    assert np.abs(np.diff(around, axis=0)).max() <= 26
    assert np.abs(around - np.roll(around, 360, axis=0)).sum(-1).min() > 200


def test_the_wheel_is_round():
    wheel = pictures.flow_wheel(64)
    assert wheel.shape == (64, 64, 4)
    assert wheel[0, 0, 3] == 0 and wheel[32, 32, 3] == 255
    np.testing.assert_allclose(wheel[..., 3].mean() / 255, np.pi / 4, atol=0.01)
    assert wheel[32, 63, 0] > 240 and wheel[32, 63, 1:3].max() < 40


def test_heat_grows_brighter():
    brightness = pictures.heat(np.linspace(0, 1, 50)[None]).astype(int).sum(-1)[0]
    assert brightness[0] < 10 and brightness[-1] > 550
    assert (np.diff(brightness) > -3).all()


@pytest.mark.parametrize(("make", "channels"), [(pictures.jpeg_uri, 3), (pictures.png_uri, 4)])
def test_data_uris_hold_the_picture(make, channels):
    image = np.zeros((8, 16, channels), np.uint8)
    image[..., 0] = 200
    kind, data = make(image).split(";base64,")
    assert kind in ("data:image/jpeg", "data:image/png")
    encoded = np.frombuffer(io.BytesIO(base64.b64decode(data)).read(), np.uint8)
    decoded = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    assert decoded.shape == (8, 16, channels)
    assert decoded[4, 8, 2] > 190 and decoded[4, 8, 0] < 10


def test_pictures_are_made_smaller_and_never_larger():
    assert pictures.fit_width(np.zeros((100, 200, 3), np.uint8), 50).shape == (25, 50, 3)
    assert pictures.fit_width(np.zeros((10, 20, 3), np.uint8), 50).shape == (10, 20, 3)
