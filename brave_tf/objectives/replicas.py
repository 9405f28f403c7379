"""Sums, means and gathering over the replicas of a step, and which clips of it belong together.

Everywhere clips are counted in rank-major order: those of the first replica, then those of the second,
and so on, which is their order in the batch of one device.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from brave_tf import errors


def sum_over_replicas(values: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
    """Returns the sum of each tensor with those of the other replicas."""
    replica = _several()
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, values) if replica else values


def mean_over_replicas(values: tf.Tensor) -> tf.Tensor:
    """Returns () mean of all values, over all replicas, each of which has as many."""
    replica, mean = _several(), tf.reduce_mean(values)
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, mean) if replica else mean


def gather_over_replicas(values: tf.Tensor, gradients: bool = False) -> tf.Tensor:
    """Returns the rows of all replicas, those of this one among them, in rank-major order.

    Args:
      values: (B, ...) of this replica; the others have as many. What is not finite stays where it is.
      gradients: whether gradients flow back to the rows, on whichever replica they are; each row gets the sum
        of what all replicas' losses say, which is right where the loss is a mean over all (see `Objective`).

    Returns:
      (R B, ...) for R replicas.
    """
    values = values if gradients else tf.stop_gradient(values)
    replica = _several()
    if replica is None:
        return values
    # A sum of rows in places of their own: unlike TensorFlow's gathering, it has a gradient everywhere.
    count = replica.num_replicas_in_sync
    own = tf.range(count) == replica.replica_id_in_sync_group
    own = tf.reshape(own, [count] + [1] * values.shape.rank)
    placed = tf.where(own, values[tf.newaxis], tf.zeros_like(values)[tf.newaxis])
    gathered = replica.all_reduce(tf.distribute.ReduceOp.SUM, placed)
    rows = None if values.shape[0] is None else count * values.shape[0]
    gathered = tf.reshape(gathered, tf.concat([[-1], tf.shape(values)[1:]], axis=0))
    return tf.ensure_shape(gathered, [rows, *values.shape[1:]])


def gather_from_others(values: tf.Tensor) -> tf.Tensor:
    """Returns the rows of all replicas but this one, in rank-major order, without gradients.

    Args:
      values: (B, ...) of this replica; the others have as many.

    Returns:
      ((R - 1) B, ...) for R replicas.
    """
    replica, size = _several(), tf.shape(values)[0]
    if replica is None:
        return tf.stop_gradient(values[:0])
    rows = tf.range((replica.num_replicas_in_sync - 1) * size)
    before = rows < replica.replica_id_in_sync_group * size
    return tf.gather(gather_over_replicas(values), tf.where(before, rows, rows + size))


def clip_positions(count: int | tf.Tensor) -> tf.Tensor:
    """Returns (B,) int32 places of this replica's clips among those of all replicas.

    Args:
      count: B, the clips of this replica.
    """
    replica = _several()
    index = replica.replica_id_in_sync_group if replica else 0
    return index * count + tf.range(count)


def same_process(count: int, clips_per_process: int | None) -> tf.Tensor:
    """Tells which clips of all replicas are in the same process as those of this one.

    What a published method computes within each of its processes depends on how many clips one has. This
    divides the clips of a step, in rank-major order, into processes of that size, whatever the devices are.

    Args:
      count: B, the clips of this replica.
      clips_per_process: clips of one process; None: each replica is a process.

    Returns:
      (B, R B) bool for R replicas.
    """
    replica = _several()
    total = count * (replica.num_replicas_in_sync if replica else 1)
    size = clips_per_process or count
    return (clip_positions(count) // size)[:, tf.newaxis] == (tf.range(total) // size)[tf.newaxis]


def check_processes(name: str, clips_per_process: int | None, clips: int) -> None:
    """Makes sure that the clips of all replicas can be divided into processes.

    Args:
      name: of the binding, such as `Gdt.clips_per_process`.
      clips_per_process: its value; None: each replica is a process.
      clips: of all replicas.

    Raises:
      UserError: they cannot.
    """
    if clips_per_process is None:
        return
    if clips_per_process < 1 or clips % clips_per_process:
        raise errors.UserError(
            f"{name} = {clips_per_process}: expected a divisor of the {clips} clips of a batch over all "
            "devices, or None for the clips of one device."
        )


def _several() -> tf.distribute.ReplicaContext | None:
    replica = tf.distribute.get_replica_context()
    return replica if replica and replica.num_replicas_in_sync > 1 else None
