"""Projector and predictor: the small networks between features and the loss.

Their layers are named `<name>/linear`, `<name>/batch_norm`, ..., so that the names of their
variables contain `projector/` or `predictor/` for the patterns of an optimizer.
"""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.models.norm import batch_norm
from brave_tf.models.precision import full_dtype

layers = tf.keras.layers


@gin.configurable
def projector(
    input_size: int, hidden: int = 4096, output: int = 128, name: str = "projector"
) -> tf.keras.Model:
    """Builds features (B, input_size) -> projections z (B, output) float32.

    Linear, batch normalisation, relu, linear, batch normalisation (sizes of DeepMind's BraVe).

    Args:
      input_size: size of the features.
      hidden: size of the hidden layer.
      output: size of the projection.
      name: name of the model and prefix of its layers.
    """
    features = tf.keras.Input((input_size,), dtype=full_dtype(), name="features")
    x = _hidden(features, hidden, name)
    x = _linear(output, f"{name}/linear_1")(x)
    z = batch_norm(name=f"{name}/batch_norm_1", dtype=full_dtype())(x)
    return tf.keras.Model(features, z, name=name)


@gin.configurable
def predictor(
    input_size: int, hidden: int = 4096, output: int | None = None, name: str = "predictor"
) -> tf.keras.Model:
    """Builds projections (B, input_size) -> predictions h (B, output) float32.

    Linear, batch normalisation, relu, linear (sizes of DeepMind's BraVe).

    Args:
      input_size: size of the projections.
      hidden: size of the hidden layer.
      output: size of the prediction; by default that of the projections, which it is compared with.
      name: name of the model and prefix of its layers.
    """
    projections = tf.keras.Input((input_size,), dtype=full_dtype(), name="projections")
    x = _hidden(projections, hidden, name)
    h = _linear(output or input_size, f"{name}/linear_1", dtype=full_dtype())(x)
    return tf.keras.Model(projections, h, name=name)


def _hidden(x: tf.Tensor, size: int, name: str) -> tf.Tensor:
    x = _linear(size, f"{name}/linear")(x)
    x = batch_norm(name=f"{name}/batch_norm")(x)
    return layers.ReLU(name=f"{name}/relu")(x)


def _linear(size: int, name: str, dtype: str | None = None) -> layers.Dense:
    """A linear layer with truncated normal weights of variance 1 / inputs, as Haiku's."""
    return layers.Dense(size, kernel_initializer="lecun_normal", name=name, dtype=dtype)
