"""Labels that were made, not given: one for each clip of a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives.state import State, rows_of, state_variable


class PseudoLabels(State):
    """Whole numbers for each clip, such as its cluster or its nearest other clips, replaced all at once.

    Args:
      rows: N, one for each clip; as many as there are clip ids.
      shape: of what one clip has: () for a label, (n,) for n rows of others.
      dtype: `int32` or `int64`.
      name: of the labels.

    Attributes:
      values: (N, *shape) integers, at first -1.

    Raises:
      UserError: `rows` is below 1.
    """

    by_clip = True

    def __init__(
        self,
        rows: int,
        shape: Sequence[int] = (),
        dtype: str = "int32",
        name: str = "pseudo_labels",
    ):
        super().__init__(name)
        if rows < 1:
            raise errors.UserError(f"{name}: {rows} rows: expected at least 1.")
        self.values = state_variable(np.full((rows, *shape), -1, dtype), f"{name}/values")

    def of(self, clip_ids: tf.Tensor) -> tf.Tensor:
        """Returns (B, *shape) labels of (B,) clips; -1 for those that are below 0 or have no label yet."""
        rows = tf.constant(self.values.shape[0], clip_ids.dtype)
        check = tf.debugging.assert_less(
            clip_ids,
            rows,
            f"{self.name} has {self.values.shape[0]} rows, but a clip's id is higher: bind as many rows as "
            "there are clips",
        )
        with tf.control_dependencies([check]):
            found = rows_of(self.values, tf.maximum(clip_ids, 0))
        known = tf.reshape(clip_ids >= 0, [-1] + [1] * (found.shape.rank - 1))
        return tf.where(known, found, tf.constant(-1, found.dtype))

    def replace(self, values: np.ndarray) -> None:
        """Sets the labels of all clips, between steps; every process of a run has to do so.

        Args:
          values: (N, *shape) integers.

        Raises:
          UserError: the shape is another.
        """
        values = np.asarray(values)
        if values.shape != tuple(self.values.shape) or values.dtype.kind not in "iu":
            raise errors.UserError(
                f"{self.name}: {values.dtype} of shape {values.shape}: expected whole numbers of shape "
                f"{tuple(self.values.shape)}."
            )
        self.values.assign(values.astype(self.values.dtype.as_numpy_dtype))
