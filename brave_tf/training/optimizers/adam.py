"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Mapping

import gin
import tensorflow as tf

from brave_tf.training.optimizers.decay import DecayedAdam
from brave_tf.training.optimizers.multipliers import StepMultipliers
from brave_tf.training.optimizers.schedules import LearningRate


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class AdamW(StepMultipliers, DecayedAdam):
    """Adam with weight decay of either kind and step multipliers; a multiplier scales the decay too."""


@gin.configurable
def adam(
    learning_rate: LearningRate = gin.REQUIRED,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    multipliers: Mapping[str, float] | None = None,
    global_clipnorm: float | None = None,
    weight_decay: float = 0.0,
    decay_all: bool = False,
) -> tf.keras.optimizers.Optimizer:
    """Adam (Kingma and Ba, ICLR 2015).

    Args:
      learning_rate: a number or a schedule.
      beta_1: decay of the mean of gradients.
      beta_2: decay of the mean of squared gradients.
      epsilon: added to the root of the latter.
      multipliers: regular expression in variable names -> factor on the step.
      global_clipnorm: largest norm of all gradients together, before weight decay.
      weight_decay: L2 term added to the gradients of all variables but biases and norms, before Adam
        normalises them (coupled, PyTorch's `Adam`); for the other kind there is `adamw`.
      decay_all: whether biases and norms decay too, as with PyTorch's optimizer of all parameters.
    """
    return AdamW(
        learning_rate,
        l2_decay=weight_decay,
        decay_all=decay_all,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        multipliers=multipliers,
        global_clipnorm=global_clipnorm,
        name="adam",
    )


@gin.configurable
def adamw(
    learning_rate: LearningRate = gin.REQUIRED,
    weight_decay: float = 1e-2,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    multipliers: Mapping[str, float] | None = None,
    global_clipnorm: float | None = None,
    decay_all: bool = False,
) -> tf.keras.optimizers.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).

    Args:
      learning_rate: a number or a schedule.
      weight_decay: share of the weights, times the learning rate, lost at each step; biases and
        norms do not decay.
      beta_1: decay of the mean of gradients.
      beta_2: decay of the mean of squared gradients.
      epsilon: added to the root of the latter.
      multipliers: regular expression in variable names -> factor on the step, decay included.
      global_clipnorm: largest norm of all gradients together.
      decay_all: whether biases and norms decay too.
    """
    return AdamW(
        learning_rate,
        weight_decay=weight_decay,
        decay_all=decay_all,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        multipliers=multipliers,
        global_clipnorm=global_clipnorm,
        name="adamw",
    )
