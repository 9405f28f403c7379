"""SGD with momentum."""

from __future__ import annotations

from collections.abc import Mapping

import gin
import tensorflow as tf

from brave_tf.training.optimizers.decay import DecayedSgd
from brave_tf.training.optimizers.multipliers import StepMultipliers
from brave_tf.training.optimizers.schedules import LearningRate


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class Sgd(StepMultipliers, DecayedSgd):
    """SGD with momentum, L2 weight decay and step multipliers."""


@gin.configurable
def sgd(
    learning_rate: LearningRate = gin.REQUIRED,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    multipliers: Mapping[str, float] | None = None,
    global_clipnorm: float | None = None,
) -> tf.keras.optimizers.Optimizer:
    """SGD with momentum.

    Args:
      learning_rate: a number or a schedule.
      momentum: decay of the accumulated steps; the learning rate is inside the accumulation.
      nesterov: look one step ahead.
      weight_decay: L2 term added to the gradients of all variables but biases and norms.
      multipliers: regular expression in variable names -> factor on the step.
      global_clipnorm: largest norm of all gradients together.
    """
    return Sgd(
        learning_rate,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        multipliers=multipliers,
        global_clipnorm=global_clipnorm,
        name="sgd",
    )
