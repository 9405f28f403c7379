"""LAMB (You et al., "Large Batch Optimization for Deep Learning", ICLR 2020), of TensorFlow Addons.

A recipe that uses it names this module in an `import` line; nothing else imports TensorFlow Addons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

import gin
import tensorflow as tf
import tensorflow_addons as tfa

from brave_tf import compat
from brave_tf.training.optimizers.decay import BIAS_OR_NORM
from brave_tf.training.optimizers.multipliers import Multipliers, scaled_step
from brave_tf.training.optimizers.schedules import LearningRate


class _BuildableLamb(compat.LegacyStep, tfa.optimizers.LAMB):
    """The addons' LAMB, an optimizer of Keras' older kind, with the newer kind's `build`."""


class Lamb(Multipliers, _BuildableLamb):
    """LAMB with step multipliers."""

    def around_step(self, variable: tf.Variable, step: Callable[[], tf.Operation]) -> tf.Operation:
        """Scales what the step changes."""
        return scaled_step(variable, self.multiplier(variable), step)


@gin.configurable
def lamb(
    learning_rate: LearningRate = gin.REQUIRED,
    weight_decay: float = 1e-2,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-6,
    multipliers: Mapping[str, float] | None = None,
    global_clipnorm: float | None = None,
) -> tf.keras.optimizers.legacy.Optimizer:
    """LAMB: Adam's direction plus weight decay, with a step as long as the layer's weights.

    Args:
      learning_rate: a number or a schedule.
      weight_decay: share of the weights added to the direction; biases and norms have neither
        weight decay nor the weights' step length.
      beta_1: decay of the mean of gradients.
      beta_2: decay of the mean of squared gradients.
      epsilon: added to the root of the latter.
      multipliers: regular expression in variable names -> factor on the step.
      global_clipnorm: largest norm of all gradients together.
    """
    clipping = {} if global_clipnorm is None else {"global_clipnorm": global_clipnorm}
    return Lamb(
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        exclude_from_weight_decay=[BIAS_OR_NORM],
        exclude_from_layer_adaptation=[BIAS_OR_NORM],
        multipliers=multipliers,
        name="lamb",
        **clipping,
    )
