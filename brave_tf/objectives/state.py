"""State that no gradient trains: what all kinds of it share.

A kind is a class in a file of its own, such as `Queue`. An objective makes it an attribute, reads it in
`terms`, and gives what it writes to `Terms.writes`. Its variables are then in checkpoints and exact resume,
the same on all replicas, and counted by `brave_tf_inspect`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from brave_tf import errors


class State(tf.Module):
    """Variables of an objective that no gradient trains; to be subclassed.

    Every replica has the variables on its own device and writes the same to them, so that writing takes no
    communication beyond the gathering of what is written.

    Args:
      name: what it is called in `brave_tf_inspect` and in messages.

    Attributes:
      device: where its variables are, if that is bound; None for the device of each replica.
      by_clip: of the class: whether it has a row for each clip of the data set.
    """

    device: str | None = None
    by_clip = False

    def __init__(self, name: str):
        super().__init__(name=name)

    def placement(self) -> contextlib.AbstractContextManager:
        """Returns the context in which its variables are read and written."""
        return tf.device(self.device) if self.device else contextlib.nullcontext()

    def check_batch(self, clips: int) -> None:
        """Makes sure, before work starts, that batches of so many clips, over all devices, can be written.

        Raises:
          UserError: they cannot.
        """


def state_variable(value: Any, name: str, dtype: tf.DType | None = None) -> tf.Variable:
    """Makes a variable for what is the same on all replicas and assigned on each of them.

    Args:
      value: the first value, or a function that returns it.
      name: of the variable.
      dtype: of the value, if not its own.
    """
    return tf.Variable(
        value,
        trainable=False,
        name=name,
        dtype=dtype,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def rows_of(variable: tf.Variable, rows: tf.Tensor) -> tf.Tensor:
    """Returns (M, ...), some rows of a variable of this replica, without a copy of the others.

    Args:
      variable: (N, ...), as for `assign_rows`.
      rows: (M,) integers in [0, N).
    """
    # `tf.gather` reads all of a variable with a part on each replica.
    return tf.raw_ops.ResourceGather(resource=variable.handle, indices=rows, dtype=variable.dtype)


def assign_rows(variable: tf.Variable, rows: tf.Tensor, values: tf.Tensor) -> None:
    """Writes some rows of a variable, on this replica; the others are not touched.

    Args:
      variable: (N, ...), one that `state_variable` made, or one that is shared by replicas.
      rows: (M,) integers in [0, N). Where one comes twice, its values must be equal.
      values: (M, ...).
    """
    # The method of a variable with a part on each replica refuses to; the handle is that of this replica.
    tf.raw_ops.ResourceScatterUpdate(
        resource=variable.handle, indices=rows, updates=tf.cast(values, variable.dtype)
    )


def outside_of_strategies(make: Callable[[], Any]) -> Any:
    """Returns what a function makes outside of the scope of the present strategy.

    A strategy places each variable that is made in its scope. Scopes are of a thread: another has none.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(make).result()


def check_device(owner: str, device: str) -> None:
    """Makes sure that a device is there, since TensorFlow takes another one in its place.

    Args:
      owner: name of the state, for the message.
      device: such as 'CPU:0'.

    Raises:
      UserError: it is not one of this process.
    """
    there = [each.name.rpartition("device:")[2] for each in tf.config.list_logical_devices()]
    if device not in there:
        raise errors.UserError(
            f"{owner}: device {device!r}: expected one of this process, {', '.join(there)}."
        )


def unit_rows(rows: int, width: int, dtype: str = "float32", chunk: int = 65536) -> np.ndarray:
    """Draws (rows, width) directions, each row of length 1, by numpy's seeded generator.

    Args:
      rows: how many.
      width: of each.
      dtype: of the result, `float32` or `float16`.
      chunk: rows that are drawn at a time, which bounds the memory beside the result.
    """
    rng = np.random.default_rng(np.random.randint(2**31))
    drawn = np.empty((rows, width), dtype)
    for begin in range(0, rows, chunk):
        part = rng.standard_normal((min(chunk, rows - begin), width), np.float32)
        drawn[begin : begin + chunk] = part / np.linalg.norm(part, axis=-1, keepdims=True)
    return drawn


def finite_rows(values: tf.Tensor) -> tf.Tensor:
    """Returns (N,) bool, whether all values of each row of (N, ...) are finite."""
    flat = tf.reshape(values, [tf.shape(values)[0], -1])
    return tf.reduce_all(tf.math.is_finite(flat), axis=-1)
