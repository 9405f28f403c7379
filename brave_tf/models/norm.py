"""Batch normalisation with the constants of BYOL and BraVe."""

from __future__ import annotations

import gin
import tensorflow as tf


@gin.configurable
def batch_norm(
    name: str = "batch_norm",
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    dtype: str | None = None,
) -> tf.keras.layers.BatchNormalization:
    """Returns a batch normalisation layer over the last axis.

    Statistics are taken over all replicas when the layer is made in the scope of a strategy with
    more than one replica; on a single replica the faster fused kernel is used instead. As everywhere
    in Keras, the moving averages start at mean 0 and variance 1, without zero-debiasing.

    Args:
      name: layer name.
      momentum: decay of the moving mean and variance.
      epsilon: added to the variance.
      dtype: Keras dtype policy of the layer, the global one by default.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return tf.keras.layers.BatchNormalization(
        axis=-1,
        momentum=momentum,
        epsilon=epsilon,
        synchronized=replicas > 1,
        name=name,
        dtype=dtype,
    )
