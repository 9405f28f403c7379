import functools

import gin
import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.augment.frames_last import are_faster, to_frames_first, to_frames_last
from brave_tf.data.augment.gaussian_blur import gaussian_blur
from brave_tf.data.augment.random_color import METHODS, random_color
from brave_tf.data.augment.random_convolution import random_convolution
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.augment.random_gray import random_gray
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError

AUGMENTATIONS = {
    "flip": functools.partial(random_flip, probability=1.0),
    "gray": functools.partial(random_gray, probability=1.0),
    "blur": functools.partial(gaussian_blur, kernel_size=7),
    "blur of a tenth": gaussian_blur,
    **{
        method: functools.partial(random_color, probability=1.0, method=method)
        for method in METHODS
    },
}


def frames(channels=3):
    return np.random.default_rng(0).random((4, 21, 24, channels), np.float32)


def test_frames_are_reordered_and_back():
    last = to_frames_last(tf.constant(frames()))
    np.testing.assert_array_equal(last, np.moveaxis(frames(), 0, -1))
    np.testing.assert_array_equal(to_frames_first(last), frames())


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_does_the_same_with_the_frames_last(name):
    augment = AUGMENTATIONS[name]
    expected = augment(frames(), (3, 4))
    assert np.abs(expected - frames()).max() > 0.05
    found = augment(to_frames_last(tf.constant(frames())), (3, 4), frames_last=True)
    np.testing.assert_allclose(to_frames_first(found), expected, atol=3e-6)


@pytest.mark.parametrize("name", ["flip", "blur"])
def test_flow_too(name):
    flow = tf.constant(frames(channels=2) - 0.5)
    found = AUGMENTATIONS[name](to_frames_last(flow), (3, 4), frames_last=True)
    expected = AUGMENTATIONS[name](flow, (3, 4))
    np.testing.assert_allclose(to_frames_first(found), expected, atol=1e-6)


@pytest.mark.parametrize("augment", [random_color, random_gray])
def test_flow_with_the_frames_last_has_no_colour(augment):
    with pytest.raises(UserError, match="works on colour"):
        augment(tf.zeros((2, 2, 2, 3)), (1, 2), frames_last=True)


def test_which_augmentations_are_faster():
    every = list(AUGMENTATIONS.values())
    assert are_faster(every, 16) and are_faster(every[:2], 32)
    assert not are_faster(every, 2) and not are_faster(every, 64)
    assert not are_faster([], 16) and not are_faster(every[:1], 16)
    for other in (random_convolution, lambda values, seed: values, max):
        assert not are_faster([*every, other], 16)


def test_bindings_and_scopes_keep_the_keyword_and_cannot_set_it():
    gin.parse_config("RgbView.augmentations = [@half/random_flip, @random_gray]")
    gin.parse_config("half/random_flip.probability = 0.5")
    try:
        assert are_faster(RgbView().augmentations, 16)
    finally:
        gin.clear_config()
    with pytest.raises(ValueError, match="frames_last"):
        gin.bind_parameter("random_flip.frames_last", True)
