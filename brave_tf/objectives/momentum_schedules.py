"""How the momentum of a copy of a network changes over a run."""

from __future__ import annotations

import math
from typing import Callable, Union

import gin
import tensorflow as tf

from brave_tf import errors

# () int64, optimizer steps taken before -> () float64 in [0, 1]; or the same number for all steps.
Momentum = Union[float, Callable[[tf.Tensor], tf.Tensor]]


@gin.configurable
def cosine_momentum(
    initial: float = 0.996,
    final: float = 1.0,
    total: float = gin.REQUIRED,
    steps_per_epoch: float = 1.0,
) -> Momentum:
    """Half a cosine from one momentum to another (BYOL, Grill et al., NeurIPS 2020, section 3.3).

    `final - (final - initial) (1 + cos(pi e / total)) / 2`, where e is the exact epoch, the steps taken over
    `steps_per_epoch`, up to `total`.

    Args:
      initial: momentum at the start.
      final: momentum at `total` and after it.
      total: epochs; steps where `steps_per_epoch` is 1.
      steps_per_epoch: clips of the data set over `train.batch_size`; need not be whole.

    Raises:
      UserError: a momentum is not in [0, 1], or a length not positive.
    """
    if not (0 <= initial <= 1 and 0 <= final <= 1 and total > 0 and steps_per_epoch > 0):
        raise errors.UserError(
            f"cosine_momentum: from {initial} to {final} in {total} epochs of {steps_per_epoch} steps: "
            "expected momenta in [0, 1] and positive lengths."
        )

    def momentum(step: tf.Tensor) -> tf.Tensor:
        # In float32 too little would be left of 1 - m near the end.
        epoch = tf.minimum(
            tf.cast(step, tf.float64) / steps_per_epoch, tf.constant(total, tf.float64)
        )
        return final - (final - initial) * (1 + tf.cos(math.pi * epoch / total)) / 2

    return momentum


def momentum_at(momentum: Momentum, step: tf.Tensor) -> tf.Tensor:
    """Returns () float64, the momentum after so many steps."""
    if callable(momentum):
        return tf.cast(momentum(step), tf.float64)
    return tf.constant(momentum, tf.float64)
