"""Gradients of several batches, summed for one step of the optimizer."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


class GradientSums:
    """Sums of gradients, of each replica its own; made inside the scope of the strategy.

    They are no part of checkpoints: after each step of the optimizer they are zero.

    Args:
      variables: those that the gradients are for.
    """

    def __init__(self, variables: Sequence[tf.Variable]):
        self._sums = [_sum_for(variable) for variable in variables]

    def add(self, gradients: Sequence[tf.Tensor | None]) -> None:
        """Adds the gradients of a batch; None where there is none."""
        for total, gradient in zip(self._sums, gradients):
            if gradient is not None:
                total.assign_add(gradient)

    def finish(self, gradients: Sequence[tf.Tensor | None]) -> list[tf.Tensor | None]:
        """Returns the sums with the gradients of the last batch, and begins again at zero."""
        return [None if g is None else _finished(s, g) for s, g in zip(self._sums, gradients)]


def _sum_for(variable: tf.Variable) -> tf.Variable:
    return tf.Variable(
        tf.zeros(variable.shape, variable.dtype),
        trainable=False,
        name="gradient_sum",
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def _finished(total: tf.Variable, gradient: tf.Tensor) -> tf.Tensor:
    result = total + gradient
    with tf.control_dependencies([result]):
        total.assign(tf.zeros(total.shape, total.dtype))
    return result
