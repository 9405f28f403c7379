"""The target network against averages in numpy."""

import numpy as np
import pytest
import tensorflow as tf
from remembering import INPUTS, backbone
from replicas import two_replicas

from brave_tf import errors
from brave_tf.models.norm import BatchNorm
from brave_tf.objectives.momentum_copy import MomentumCopy


def norm_of(model):
    (norm,) = (layer for layer in model.layers if isinstance(layer, BatchNorm))
    return norm


def change(model, seed):
    rng = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))


def test_weights_are_averaged_and_statistics_are_its_own():
    online = backbone()
    copy = MomentumCopy({"narrow": online, "other": online}, momentum=0.8)
    target = copy.backbones["narrow"]
    assert copy.backbones["other"] is target and target is not online
    # Weights that are set after it was made.
    change(online, 0)
    copy.begin()
    expected = [weight.numpy() for weight in online.trainable_weights]
    for step in range(3):
        copy.begin()
        copy.update(tf.constant(step, tf.int64))
        for got, value in zip(target.trainable_weights, expected):
            np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-6)
        change(online, step + 1)
        expected = [
            0.8 * value + 0.2 * weight.numpy()
            for value, weight in zip(expected, online.trainable_weights)
        ]
    x = np.random.default_rng(9).normal(size=(20, INPUTS)).astype(np.float32)
    before = norm_of(online).moving_mean.numpy()
    target(x, training=True)
    hidden = x @ target.weights[0].numpy() + target.weights[1].numpy()
    np.testing.assert_allclose(norm_of(target).moving_mean, hidden.mean(axis=0), atol=1e-5)
    np.testing.assert_array_equal(norm_of(online).moving_mean, before)


def test_its_distance_is_a_share_of_the_weights_that_are_averaged():
    online = backbone()
    copy = MomentumCopy({"narrow": online, "other": online}, momentum=0.75)
    copy.begin()
    assert copy.distance() == 0.0
    before = [weight.numpy() for weight in online.trainable_weights]
    change(online, 0)
    copy.update(tf.constant(0, tf.int64))
    after = [weight.numpy() for weight in online.trainable_weights]
    apart = sum(np.sum((0.75 * (new - old)) ** 2) for new, old in zip(after, before))
    length = sum(np.sum(new**2) for new in after)
    assert copy.distance() == pytest.approx(np.sqrt(apart / length), rel=1e-5)
    # Statistics have no part in it.
    norm_of(online).moving_mean.assign_add(tf.ones_like(norm_of(online).moving_mean))
    assert copy.distance() == pytest.approx(np.sqrt(apart / length), rel=1e-5)


def test_equal_weights_stay_equal_in_every_bit():
    online = backbone()
    copy = MomentumCopy({"narrow": online}, momentum=0.996)
    copy.begin()
    copy.update(tf.constant(0, tf.int64))
    for got, expected in zip(copy.backbones["narrow"].weights, online.weights):
        np.testing.assert_array_equal(got, expected)


def test_no_gradient_trains_it():
    copy = MomentumCopy({"narrow": backbone()}, {"head": backbone()})
    assert not copy.trainable_variables
    x = tf.ones((3, INPUTS))
    with tf.GradientTape() as tape:
        copy.backbones["narrow"](x, training=True)
    assert not tape.watched_variables()
    # Batch normalisation would be in inference mode otherwise.
    assert all(layer.trainable for layer in copy.heads["head"].layers)


def test_the_momentum_may_lag():
    for lag, expected in ((0, [0.0, 0.1, 0.2]), (1, [0.0, 0.0, 0.1])):
        copy = MomentumCopy({"narrow": backbone()}, momentum=lambda step: step / 10, lag=lag)
        np.testing.assert_allclose([copy.momentum(step) for step in range(3)], expected)


def test_layers_that_are_frozen_later_are_still_copied():
    online = backbone()
    copy = MomentumCopy({"narrow": online}, momentum=0.0)
    online.layers[1].trainable = False
    change(online, 4)
    online.layers[1].set_weights([np.full((INPUTS, 7), 2.0), np.full(7, 3.0)])
    copy.begin()
    change(online, 5)
    copy.update(tf.constant(0, tf.int64))
    target = copy.backbones["narrow"]
    np.testing.assert_array_equal(target.layers[1].kernel, np.full((INPUTS, 7), 2.0))
    np.testing.assert_allclose(target.layers[-1].kernel, online.layers[-1].kernel, atol=1e-6)


def test_in_mixed_precision_on_two_replicas():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    strategy = two_replicas()
    with strategy.scope():
        online = backbone()
        copy = MomentumCopy({"narrow": online}, momentum=0.5)

    @tf.function
    def step():
        def once():
            copy.begin()
            copy.update(tf.constant(0, tf.int64))
            return copy.backbones["narrow"](tf.ones((2, INPUTS)), training=True)

        return strategy.run(once)

    result = strategy.experimental_local_results(step())[0]
    assert result.dtype == tf.bfloat16
    for got, expected in zip(copy.backbones["narrow"].trainable_weights, online.trainable_weights):
        np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_a_momentum_that_cannot_be_is_refused():
    with pytest.raises(errors.UserError, match="target: momentum 1.5"):
        MomentumCopy({"narrow": backbone()}, momentum=1.5)
