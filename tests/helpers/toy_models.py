"""Very small models for tests."""

import tensorflow as tf


def dense_backbone(inputs: int, outputs: int) -> tf.keras.Model:
    """(B, inputs) -> (B, outputs), one linear layer."""
    x = tf.keras.Input((inputs,))
    return tf.keras.Model(x, tf.keras.layers.Dense(outputs)(x))
