"""Noise-contrastive estimation (NCE), and the rows of a bank that serve as noise."""

from __future__ import annotations

import tensorflow as tf


def nce(positive: tf.Tensor, negative: tf.Tensor, normalizer: tf.Tensor) -> tf.Tensor:
    """Returns the (B,) loss of telling data from noise (Gutmann and Hyvarinen, AISTATS 2010).

    With K negatives, a score s belongs to data with probability e^s / (e^s + K Z).

    Args:
      positive: (B, P) scores, whose losses are averaged.
      negative: (B, K) scores, whose losses are summed.
      normalizer: () float32, Z.
    """
    log_noise = tf.math.log(tf.cast(tf.shape(negative)[-1], tf.float32) * normalizer)
    found = tf.reduce_mean(tf.math.softplus(log_noise - positive), axis=-1)
    return found + tf.reduce_sum(tf.math.softplus(negative - log_noise), axis=-1)


def rows_outside(rows: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Turns uniform draws into rows outside a given set, all equally likely.

    Args:
      rows: (B, P) distinct rows to leave out, in ascending order.
      draws: (B, K) integers, uniform in [0, N - P).

    Returns:
      (B, K) rows in [0, N).
    """
    # Each row that is left out at or before a draw moves the draw on by one.
    before = rows - tf.range(tf.shape(rows)[-1], dtype=rows.dtype)
    passed = before[:, tf.newaxis] <= draws[..., tf.newaxis]
    return draws + tf.reduce_sum(tf.cast(passed, draws.dtype), axis=-1)
