"""Sums and means over the replicas of a step."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def sum_over_replicas(values: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
    """Returns the sum of each tensor with those of the other replicas."""
    replica = _several()
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, values) if replica else values


def mean_over_replicas(values: tf.Tensor) -> tf.Tensor:
    """Returns () mean of all values, over all replicas, each of which has as many."""
    replica, mean = _several(), tf.reduce_mean(values)
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, mean) if replica else mean


def _several() -> tf.distribute.ReplicaContext | None:
    replica = tf.distribute.get_replica_context()
    return replica if replica and replica.num_replicas_in_sync > 1 else None
