import numpy as np
import peer_values
import pytest
import tensorflow as tf

from brave_tf.data.augment.random_solarization import random_solarization, solarize
from brave_tf.errors import UserError


def test_what_is_bright_is_inverted():
    values = np.array([0.0, 0.25, 0.4999, 0.5, 0.75, 1.0], np.float32)
    expected = [0.0, 0.25, 0.4999, 0.5, 0.25, 0.0]
    np.testing.assert_allclose(solarize(tf.constant(values), 0.5), expected, atol=1e-7)
    expected = [0.0, 0.75, 0.5001, 0.5, 0.25, 0.0]
    np.testing.assert_allclose(solarize(tf.constant(values), 0.2), expected, atol=1e-7)


def test_it_is_cvrls(shared_dir):
    golden, x, _ = peer_values.case(shared_dir, "cvrl", "augment")
    found = random_solarization(tf.constant(x["image"])[tf.newaxis], (1, 2), probability=1.0)[0]
    np.testing.assert_allclose(found, golden["augment/solarize"], atol=1e-6)


def test_a_fifth_of_the_videos_is_solarized_as_a_whole():
    video = tf.ones((2, 2, 2, 3))
    drawn = [random_solarization(video, (i, 0)).numpy() for i in range(300)]
    assert {values.min() == values.max() for values in drawn} == {True}
    assert 0.12 < np.mean([values.max() == 0 for values in drawn]) < 0.28


def test_unusable_thresholds_are_refused():
    with pytest.raises(UserError, match="random_solarization.threshold = 1.5"):
        random_solarization(tf.ones((1, 2, 2, 3)), (1, 2), threshold=1.5)
