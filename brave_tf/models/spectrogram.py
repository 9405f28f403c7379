"""The step from log-mel spectrograms to images."""

from __future__ import annotations

import tensorflow as tf

from brave_tf.models.temporal import check_rank


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class AsImage(tf.keras.layers.Layer):
    """Log-mel (B, frames, bins) -> one-channel images (B, frames, bins, 1)."""

    def call(self, log_mel: tf.Tensor) -> tf.Tensor:
        check_rank(log_mel, 3, "log-mel (B, frames, bins)")
        return tf.expand_dims(log_mel, axis=-1)
