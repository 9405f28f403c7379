import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.augment.random_flip import flip, random_flip

pytestmark = pytest.mark.usefixtures("either_way")


def test_flips_columns():
    video = np.random.default_rng(0).random((2, 3, 5, 3), np.float32)
    np.testing.assert_array_equal(flip(tf.constant(video)), video[:, :, ::-1])


def test_flow_changes_direction_too():
    flow = np.random.default_rng(0).normal(size=(2, 3, 5, 2)).astype(np.float32)
    expected = flow[:, :, ::-1] * [-1, 1]
    np.testing.assert_array_equal(flip(tf.constant(flow)), expected.astype(np.float32))


def test_flips_all_frames_or_none_about_half_the_time():
    video = tf.random.stateless_uniform((3, 4, 4, 3), (1, 2))
    apply = tf.function(random_flip)
    flipped = []
    for i in range(200):
        got = apply(video, tf.constant([i, 0], tf.int32)).numpy()
        changed = not np.array_equal(got, video)
        np.testing.assert_array_equal(got, flip(video) if changed else video)
        flipped.append(changed)
    assert 0.4 < np.mean(flipped) < 0.6


def test_probability_is_an_argument():
    video = tf.random.stateless_uniform((1, 4, 4, 3), (1, 2))
    np.testing.assert_array_equal(random_flip(video, (1, 2), probability=0.0), video)
    np.testing.assert_array_equal(random_flip(video, (1, 2), probability=1.0), flip(video))


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 3, 1, 2), (33, 18, 17, 3), (3, 2, 4, 1)])
def test_all_sizes_are_mirrored(shape):
    video = np.random.default_rng(0).random(shape, np.float32)
    signs = [-1, 1] if shape[3] == 2 else 1
    np.testing.assert_array_equal(flip(tf.constant(video)), video[:, :, ::-1] * np.float32(signs))
