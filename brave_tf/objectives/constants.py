"""A number that the first step finds and that stays what it is."""

from __future__ import annotations

import tensorflow as tf

from brave_tf.objectives.replicas import mean_over_replicas
from brave_tf.objectives.state import State, state_variable


class Constant(State):
    """A scalar that is set once, to what the first training step says of it.

    Args:
      name: of the constant.

    Attributes:
      value: () float32, 0 before it is known.
      known: () bool.
    """

    def __init__(self, name: str):
        super().__init__(name)
        self.value = state_variable(tf.zeros(()), f"{name}/value")
        self.known = state_variable(tf.constant(False), f"{name}/known")

    def or_first(self, candidate: tf.Tensor) -> tf.Tensor:
        """Returns () float32, the constant; until it is known, the mean of the candidate over replicas.

        Args:
          candidate: () what this replica says; it gets no gradients.
        """
        first = mean_over_replicas(tf.stop_gradient(tf.cast(candidate, tf.float32)))
        return tf.where(self.known, self.value, first)

    def settle(self, value: tf.Tensor) -> None:
        """Keeps what `or_first` returned, unless it is not finite or one is known; for `Terms.writes`."""
        enters = tf.math.is_finite(value) & ~self.known
        self.value.assign(tf.where(enters, value, self.value))
        self.known.assign(self.known | enters)
