"""A memory bank: what was said of each clip of a data set when it was last seen."""

from __future__ import annotations

import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives.replicas import gather_over_replicas
from brave_tf.objectives.state import (
    State,
    assign_rows,
    check_device,
    finite_rows,
    outside_of_strategies,
    rows_of,
    state_variable,
    unit_rows,
)

_DTYPES = ("float32", "float16")


class MemoryBank(State):
    """A unit vector for each clip, moved towards what is said of it (Wu et al., CVPR 2018, section 3).

    A step touches the rows that it reads and writes, not the bank: 2 million rows of 128 take 1.0 GB in
    float32 and 0.5 GB in float16, once on each device of a replica, or once in a process where `device` is
    bound.

    Args:
      rows: N, one for each clip; as many as there are clip ids.
      width: D, of a row.
      momentum: share of a row that is kept when it is written.
      device: where it is, such as 'CPU:0' for the memory of the host; None for the device of each replica.
        XLA compiles no step with a bank that is elsewhere.
      dtype: `float32`, or `float16` for half the memory. Everything is computed in float32.
      name: of the bank.

    Attributes:
      vectors: (N, D) of `dtype`, at first random directions.

    Raises:
      UserError: `rows` or `width` is below 1, `momentum` not in [0, 1), `dtype` another, or there is no such
        device.
    """

    by_clip = True

    def __init__(
        self,
        rows: int,
        width: int,
        momentum: float = 0.5,
        device: str | None = None,
        dtype: str = "float32",
        name: str = "memory_bank",
    ):
        super().__init__(name)
        if min(rows, width) < 1 or not 0 <= momentum < 1 or dtype not in _DTYPES:
            raise errors.UserError(
                f"{name}: {rows} rows of {width} in {dtype} with momentum {momentum}: expected at least 1 of "
                f"each, {' or '.join(_DTYPES)}, and a momentum of at least 0 and below 1."
            )
        if device is not None:
            check_device(name, device)
        self.num_rows, self.momentum, self.device = rows, momentum, device
        drawn = unit_rows(rows, width, dtype)
        if device is None:
            self.vectors = state_variable(drawn, f"{name}/vectors")
        else:
            self.vectors = outside_of_strategies(lambda: self._placed(drawn, f"{name}/vectors"))

    def _placed(self, drawn: object, name: str) -> tf.Variable:
        with self.placement():
            return tf.Variable(drawn, trainable=False, name=name)

    def read(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns (..., D) float32 vectors of (...) rows, all of them in [0, N); without gradients."""
        with self.placement():
            found = rows_of(self.vectors, self._checked(rows))
        return tf.stop_gradient(tf.cast(found, tf.float32))

    def update(self, rows: tf.Tensor, values: tf.Tensor) -> None:
        """Moves rows towards the values of all replicas' clips, to length 1; for `Terms.writes`.

        Values that are not finite never enter, nor do those of clips that have no row. Of several clips of
        one row, the last in rank-major order moves it from where it was before the step.

        Args:
          rows: (B,) integers of this replica below N; below 0 for a clip without one.
          values: (B, D) of this replica.
        """
        rows = self._checked(gather_over_replicas(rows))
        values = gather_over_replicas(tf.cast(values, tf.float32))
        enters = (rows >= 0) & finite_rows(values)
        rows = tf.maximum(rows, 0)
        with self.placement():
            before = tf.cast(rows_of(self.vectors, rows), tf.float32)
        moved = self.momentum * before + (1 - self.momentum) * values
        new = tf.where(enters[:, tf.newaxis], tf.math.l2_normalize(moved, axis=-1), before)
        written = _written(rows, enters)
        if self.device is None or _first_of_process():
            with self.placement():
                assign_rows(self.vectors, tf.gather(rows, written), tf.gather(new, written))

    def _checked(self, rows: tf.Tensor) -> tf.Tensor:
        # Devices differ in what they make of a row that is not there.
        with tf.control_dependencies(
            [
                tf.debugging.assert_less(
                    rows,
                    tf.cast(self.num_rows, rows.dtype),
                    f"{self.name} has {self.num_rows} rows, but a clip's id is higher: bind as many rows as "
                    "there are clips",
                )
            ]
        ):
            return tf.identity(rows)


def _written(rows: tf.Tensor, enters: tf.Tensor) -> tf.Tensor:
    """Returns for each of (N,) writes which one is made in its place, so that no row has two values.

    That is the last one of the same row that enters. For one that does not enter, it is any that does; if
    none does, itself, which writes what is there.
    """
    places = tf.range(tf.size(rows))
    same = (rows[:, tf.newaxis] == rows[tf.newaxis]) | ~enters[:, tf.newaxis]
    last = tf.reduce_max(tf.where(same & enters[tf.newaxis], places[tf.newaxis], -1), axis=-1)
    # Without one that enters, equal rows hold equal values.
    return tf.where(last >= 0, last, places)


def _first_of_process() -> bool:
    """Whether this replica is the first of its process; all have read when gathering is done."""
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return True
    local = len(replica.strategy.extended.worker_devices)
    return int(replica.replica_id_in_sync_group) % local == 0
