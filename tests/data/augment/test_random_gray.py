import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.data.augment.random_gray import gray, random_gray
from brave_tf.errors import UserError

pytestmark = pytest.mark.usefixtures("either_way")


def test_gray_is_luma():
    video = np.random.default_rng(0).random((2, 3, 4, 3), np.float32)
    luma = video @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(gray(video), np.repeat(luma[..., None], 3, -1), atol=1e-3)


def test_gray_matches_the_reference(golden_dir):
    arrays, _ = reference.values(golden_dir, "ops")
    video = reference.recipe(golden_dir).moving_video_input(830, (1, 3, 12, 14, 3))[0]
    np.testing.assert_allclose(gray(video), arrays["color/gray/output"], atol=1e-6)


def test_a_fifth_of_the_videos_is_gray():
    video = tf.random.stateless_uniform((1, 2, 2, 3), (1, 2))
    grayed = [not np.array_equal(random_gray(video, (i, 0)), video) for i in range(300)]
    assert 0.12 < np.mean(grayed) < 0.28


def test_refuses_flow():
    with pytest.raises(UserError, match="random_gray"):
        random_gray(tf.zeros((1, 2, 2, 2)), (1, 2))


def test_odd_sizes_are_gray_too():
    video = np.random.default_rng(0).random((3, 5, 7, 3), np.float32)
    luma = video @ np.array([0.2989, 0.587, 0.114])
    np.testing.assert_allclose(gray(video), np.repeat(luma[..., None], 3, -1), atol=1e-6)
