"""LARS (You et al., "Large Batch Training of Convolutional Networks", 2017)."""

from __future__ import annotations

from collections.abc import Mapping

import gin
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.training.optimizers.decay import DecayedSgd, is_bias_or_norm
from brave_tf.training.optimizers.multipliers import GradientMultipliers, StepMultipliers
from brave_tf.training.optimizers.schedules import LearningRate

register = tf.keras.utils.register_keras_serializable(package="brave_tf")


class TrustRatioSgd(DecayedSgd):
    """SGD with momentum whose direction has, layer by layer, a length set by the weights'.

    With u = g + weight_decay * w, the direction is u * trust_coefficient * |w| / |u|, or u where
    either norm is zero. Variables that do not decay keep their gradient as it is.
    """

    def __init__(self, *args, trust_coefficient: float = 1e-3, **kwargs):
        super().__init__(*args, **kwargs)
        self.trust_coefficient = trust_coefficient

    def rate_factor(self, direction: tf.Tensor, variable: tf.Variable) -> tf.Tensor | float:
        if not self.decays(variable):
            return 1.0
        # Halves of squared norms, in one pass each.
        weights, length = (tf.nn.l2_loss(x) for x in (variable, direction))
        ratio = self.trust_coefficient * tf.sqrt(tf.math.divide_no_nan(weights, length))
        return tf.where(tf.logical_and(weights > 0, length > 0), ratio, 1.0)

    def get_config(self) -> dict:
        return {**super().get_config(), "trust_coefficient": self.trust_coefficient}


@register
class Lars(StepMultipliers, TrustRatioSgd):
    """LARS: biases and norms are left out of weight decay and trust ratio."""


@register
class ReleasedLars(GradientMultipliers, TrustRatioSgd):
    """LARS as DeepMind's released BraVe trainer runs it.

    Its masks are inverted: weight decay and trust ratio act on biases and norms only, weights get
    plain momentum SGD. And its multipliers act on gradients, before the trust ratio.
    """

    def decays(self, variable: tf.Variable) -> bool:
        return is_bias_or_norm(variable)


@register
class SlowFastLars(StepMultipliers, TrustRatioSgd):
    """LARS as SlowFast runs it for rho-BYOL.

    With gradient g and weights w, the direction of weights with more than one axis is

        (g + weight_decay * w) * trust_coefficient * |w| / (|g| + weight_decay * |w| + 1e-8)

    whose denominator is a sum of norms, where `Lars` has the norm of the sum; it is g where |g| or |w| is
    zero. All others, with one axis or of normalisation layers, keep their gradient as it is, without decay.
    Steps are accumulated without the rate.
    """

    _epsilon = 1e-8

    def __init__(self, *args, rate_inside: bool = False, **kwargs):
        super().__init__(*args, rate_inside=rate_inside, **kwargs)

    def decays(self, variable: tf.Variable) -> bool:
        return variable.shape.rank > 1 and not is_bias_or_norm(variable)

    def direction(
        self, gradient: tf.Tensor, variable: tf.Variable
    ) -> tuple[tf.Tensor, tf.Tensor | float]:
        gradient = tf.convert_to_tensor(gradient)
        if not self.decays(variable):
            return gradient, 1.0
        weights, length = (tf.norm(x) for x in (variable, gradient))
        usable = tf.logical_and(weights > 0, length > 0)
        decay = tf.where(usable, tf.cast(self.l2_decay, gradient.dtype), 0.0)
        ratio = self.trust_coefficient * weights
        ratio /= length + self.l2_decay * weights + self._epsilon
        return gradient + decay * variable, tf.where(usable, ratio, 1.0)


@gin.configurable
def lars(
    learning_rate: LearningRate = gin.REQUIRED,
    momentum: float = 0.9,
    nesterov: bool = True,
    trust_coefficient: float = 1e-3,
    weight_decay: float = 1e-2,
    multipliers: Mapping[str, float] | None = None,
    global_clipnorm: float | None = None,
    compat: str = "correct",
) -> tf.keras.optimizers.Optimizer:
    """LARS with the constants of BraVe.

    Args:
      learning_rate: a number or a schedule.
      momentum: decay of the accumulated steps; the learning rate is inside the accumulation, but for
        `slowfast`.
      nesterov: look one step ahead.
      trust_coefficient: length of a layer's direction relative to its weights.
      weight_decay: L2 term added to the gradient, before the trust ratio.
      multipliers: regular expression in variable names -> factor on the step, such as
        `{'predictor/': 10.0}`.
      global_clipnorm: largest norm of all gradients together, before weight decay and trust ratio.
      compat: `correct`, or `released` for what DeepMind's released trainer computes (see
        `ReleasedLars`), which behaves very differently, or `slowfast` for what SlowFast does (see
        `SlowFastLars`).

    Raises:
      UserError: unknown `compat`.
    """
    kinds = {"correct": Lars, "released": ReleasedLars, "slowfast": SlowFastLars}
    if compat not in kinds:
        raise UserError(f"lars.compat = {compat!r}: expected one of {', '.join(kinds)}.")
    return kinds[compat](
        learning_rate,
        momentum=momentum,
        nesterov=nesterov,
        trust_coefficient=trust_coefficient,
        weight_decay=weight_decay,
        multipliers=multipliers,
        global_clipnorm=global_clipnorm,
        name="lars",
    )
