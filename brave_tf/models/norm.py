"""Batch normalisation with the constants of the reference implementations of BraVe and BYOL."""

from __future__ import annotations

import gin
import tensorflow as tf


@gin.configurable
def batch_norm(
    name: str = "batch_norm", momentum: float = 0.9, epsilon: float = 1e-5
) -> tf.keras.layers.BatchNormalization:
    """Returns a batch normalisation layer over the last axis.

    Statistics are taken over all replicas when the layer is made in the scope of a strategy with
    more than one replica; on a single replica the faster fused kernel is used instead.

    Args:
      name: layer name.
      momentum: decay of the moving mean and variance.
      epsilon: added to the variance.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return tf.keras.layers.BatchNormalization(
        axis=-1, momentum=momentum, epsilon=epsilon, synchronized=replicas > 1, name=name
    )
