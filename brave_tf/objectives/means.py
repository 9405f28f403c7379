"""Means over the clips and steps that count, and what they are where none does."""

from __future__ import annotations

import math
from collections.abc import Mapping

import tensorflow as tf

from brave_tf.objectives.replicas import mean_over_replicas
from brave_tf.objectives.terms import Monitored


class Mean(tf.keras.metrics.Mean):
    """A mean that is NaN, not 0, over no values."""

    def result(self) -> tf.Tensor:
        return self.total / self.count


def known_means(
    logs: Mapping[str, tf.Tensor], metrics: Mapping[str, tf.keras.metrics.Mean]
) -> dict[str, float]:
    """Returns means as numbers, without those over no values; NaN is a mean that NaN went into.

    Args:
      logs: name -> () float32, results of metrics.
      metrics: name -> that metric.
    """
    values = {name: float(value) for name, value in logs.items()}
    return {
        name: value
        for name, value in values.items()
        if not math.isnan(value) or metrics[name].count.numpy() > 0
    }


def weighted(losses: tf.Tensor, counts: tf.Tensor | None) -> tf.Tensor:
    """Returns losses whose mean over all clips of all replicas is that over the clips that count.

    Args:
      losses: (B,) float32.
      counts: (B,) float32, 1 or 0; None: all count. Where no clip does, the losses are 0.
    """
    if counts is None:
        return losses
    return losses * counts / tf.maximum(mean_over_replicas(counts), 1e-6)


def counted(value: Monitored, counts: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns a figure, and what its mean is weighted by; None: all alike.

    Args:
      value: scalar or (B,), or a pair, see `Terms.monitors`.
      counts: (B,) float32, which clips count; None: all do. It has no part in that of a scalar.
    """
    if isinstance(value, tuple):
        value, known = value
        # What is not known may be no number, and is no part of a sum.
        return tf.where(known > 0, value, 0.0), known if counts is None else known * counts
    return value, counts if value.shape.rank == 1 else None
