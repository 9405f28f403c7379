"""Telling data from noise (NCE), and which rows of a bank are the noise."""

from __future__ import annotations

import tensorflow as tf


def nce(positive: tf.Tensor, negative: tf.Tensor, normalizer: tf.Tensor) -> tf.Tensor:
    """Returns the (B,) loss that tells data from noise (Gutmann and Hyvarinen, AISTATS 2010).

    With K negatives, a score s is that of data with the chance e^s / (e^s + K Z).

    Args:
      positive: (B, P) scores; their losses are averaged.
      negative: (B, K) scores; their losses are added.
      normalizer: () float32, Z.
    """
    log_noise = tf.math.log(tf.cast(tf.shape(negative)[-1], tf.float32) * normalizer)
    found = tf.reduce_mean(tf.math.softplus(log_noise - positive), axis=-1)
    return found + tf.reduce_sum(tf.math.softplus(negative - log_noise), axis=-1)


def rows_outside(rows: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Turns draws into rows that are not among some: each of the others is as likely.

    Args:
      rows: (B, P) rows that are left out, different ones in ascending order.
      draws: (B, K) integers, uniform in [0, N - P).

    Returns:
      (B, K) rows in [0, N).
    """
    # As many rows are left out up to there.
    before = rows - tf.range(tf.shape(rows)[-1], dtype=rows.dtype)
    passed = before[:, tf.newaxis] <= draws[..., tf.newaxis]
    return draws + tf.reduce_sum(tf.cast(passed, draws.dtype), axis=-1)
