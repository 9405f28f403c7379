import numpy as np
import tensorflow as tf
from replicas import two_replicas

from brave_tf.models.norm import batch_norm


def test_constants():
    layer = batch_norm()
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(4, 5, 6, 7)).astype("f4")
    y = layer(x, training=True)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5), atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * mean, rtol=1e-5)
    assert not layer.synchronized


def test_statistics_are_taken_over_all_replicas():
    x = np.random.default_rng(0).normal(size=(8, 3, 3, 4)).astype("f4")
    x[4:] += 5.0
    strategy = two_replicas()
    with strategy.scope():
        layer = batch_norm()
        layer.build(x.shape)
    halves = tf.data.Dataset.from_tensor_slices(x).batch(8)
    half = next(iter(strategy.experimental_distribute_dataset(halves)))

    run = tf.function(lambda part: strategy.run(lambda p: layer(p, training=True), args=(part,)))
    y = np.concatenate(strategy.experimental_local_results(run(half)))

    expected = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(y, expected, atol=1e-4)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * x.mean((0, 1, 2)), rtol=1e-4)
