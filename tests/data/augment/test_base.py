import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.augment.base import require_rgb, with_probability
from brave_tf.errors import UserError


def apply_many(probability, number=400):
    @tf.function(autograph=False)
    def apply(seed):
        return with_probability(probability, seed, tf.constant(1.0), lambda x, seed: x + 1)

    return [float(apply(tf.constant([i, 5], tf.int32))) - 1 for i in range(number)]


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.8, 1.0])
def test_applies_with_the_probability(probability):
    assert abs(np.mean(apply_many(probability)) - probability) < 0.06


def test_the_seed_handed_on_is_not_the_one_of_the_draw():
    seeds = []
    seed = tf.constant([1, 2], tf.int32)
    with_probability(
        1.0, seed, tf.constant(0.0), lambda x, s: seeds.append(s.numpy().tolist()) or x
    )
    assert seeds[0] != [1, 2]


@pytest.mark.parametrize("probability", [-0.1, 1.5])
def test_refuses_what_is_no_probability(probability):
    with pytest.raises(UserError, match="probability"):
        apply_many(probability, 1)


def test_require_rgb():
    require_rgb(tf.zeros((1, 2, 2, 3)), "paint")
    with pytest.raises(UserError, match="paint"):
        require_rgb(tf.zeros((1, 2, 2, 2)), "paint")
