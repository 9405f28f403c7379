"""The precision of what must not be computed in half precision: features, projections and losses."""

from __future__ import annotations

import tensorflow as tf


def full_dtype() -> str:
    """The dtype of weights under the global policy: float32, mixed precision included, or float64."""
    return tf.keras.mixed_precision.global_policy().variable_dtype


def in_full(x: tf.Tensor) -> tf.Tensor:
    """Returns `x` as float32, or as it is if it is float64."""
    return x if x.dtype == tf.float64 else tf.cast(x, tf.float32)
