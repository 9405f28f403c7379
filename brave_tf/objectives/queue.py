"""A queue of keys of earlier batches, to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives.replicas import gather_over_replicas
from brave_tf.objectives.state import (
    State,
    assign_rows,
    finite_rows,
    rows_of,
    state_variable,
    unit_rows,
)


class Queue(State):
    """The last `size` keys, the newest in place of the oldest (MoCo, He et al., CVPR 2020, section 3.2).

    Args:
      size: K, how many; a multiple of the clips of a batch over all devices.
      width: D, of a key.
      ids: names of whole numbers that are kept beside each key, such as `group`.
      name: of the queue.

    Attributes:
      entries: (K, D) float32, at first random directions.
      ids: name -> (K,) int64, at first -1.
      ages: (K,) int64, how many batches ago each was written; those that never were, since the start.
      pointer: () int64, where the next batch is written.
      full: () bool, whether every entry has had its turn.

    Raises:
      UserError: `size` or `width` is below 1.
    """

    def __init__(self, size: int, width: int, ids: Sequence[str] = (), name: str = "queue"):
        super().__init__(name)
        if min(size, width) < 1:
            raise errors.UserError(
                f"{name}: {size} entries of {width} values: expected at least 1 of each."
            )
        self.size = size
        self.entries = state_variable(unit_rows(size, width), f"{name}/entries")
        self.ids = {
            each: state_variable(tf.fill([size], tf.constant(-1, tf.int64)), f"{name}/{each}")
            for each in ids
        }
        self.ages = state_variable(tf.zeros([size], tf.int64), f"{name}/ages")
        self.pointer = state_variable(tf.zeros((), tf.int64), f"{name}/pointer")
        self.full = state_variable(tf.constant(False), f"{name}/full")

    def check_batch(self, clips: int) -> None:
        """Makes sure that the queue is a multiple of a batch, see `State.check_batch`."""
        if self.size % clips:
            raise errors.UserError(
                f"{self.name} has {self.size} entries, but a batch has {clips} clips over all devices: bind "
                "a size that is a multiple of it, or another train.batch_size."
            )

    def shares(self, name: str, numbers: tf.Tensor) -> tf.Tensor:
        """Returns (B, K) bool, which entries have the same id as which of (B,) integers; -1 is no id."""
        numbers = tf.cast(numbers, tf.int64)[:, tf.newaxis]
        return (numbers == self.ids[name][tf.newaxis]) & (numbers >= 0)

    def push(self, keys: tf.Tensor, ids: Mapping[str, tf.Tensor] | None = None) -> None:
        """Writes the keys of all replicas in rank-major order and moves the pointer on; for `Terms.writes`.

        A key that is not finite never enters: its entry, and the ids of it, stay what they were.

        Args:
          keys: (B, D) of this replica.
          ids: name -> (B,) integers of this replica, for every name of the queue.
        """
        keys = gather_over_replicas(tf.cast(keys, tf.float32))
        count = tf.shape(keys, tf.int64)[0]
        rows = (self.pointer + tf.range(count)) % self.size
        enters = finite_rows(keys)
        assign_rows(
            self.entries, rows, tf.where(enters[:, tf.newaxis], keys, rows_of(self.entries, rows))
        )
        for name, variable in self.ids.items():
            new = gather_over_replicas(tf.cast(ids[name], tf.int64))
            assign_rows(variable, rows, tf.where(enters, new, rows_of(variable, rows)))
        ages = self.ages + 1
        self.ages.assign(ages)
        assign_rows(self.ages, rows, tf.where(enters, tf.zeros_like(rows), tf.gather(ages, rows)))
        reached = self.pointer + count
        self.full.assign(self.full | (reached >= self.size))
        self.pointer.assign(reached % self.size)
