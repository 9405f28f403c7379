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
    decay_all: bool = False,
    rate_inside: bool = True,
) -> tf.keras.optimizers.Optimizer:
    """SGD with momentum.

    Args:
      learning_rate: a number or a schedule.
      momentum: decay of the accumulated steps.
      nesterov: look one step ahead.
      weight_decay: L2 term added to the gradients of all variables but biases and norms.
      multipliers: regular expression in variable names -> factor on the step.
      global_clipnorm: largest norm of all gradients together, before weight decay.
      decay_all: whether biases and norms decay too, as with PyTorch's optimizer of all parameters.
      rate_inside: whether steps are accumulated with the learning rate of their time, as TensorFlow does;
        False: without, and multiplied by the present one, as PyTorch does.
    """
    return Sgd(
        learning_rate,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        multipliers=multipliers,
        global_clipnorm=global_clipnorm,
        decay_all=decay_all,
        rate_inside=rate_inside,
        name="sgd",
    )
