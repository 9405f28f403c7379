"""Weight decay that leaves biases and normalisation layers alone."""

from __future__ import annotations

import re

import tensorflow as tf

from brave_tf import compat

# Biases, and scale and offset of normalisation layers, under the names that Keras gives them, with the
# suffixes that TensorFlow gives to the copies on further replicas and to tensors.
BIAS_OR_NORM = r"(^|/)(bias|beta|gamma)(/replica_\d+)?(:\d+)?$"


def is_bias_or_norm(variable: tf.Variable) -> bool:
    """Whether a variable is a bias or the scale or offset of a normalisation layer, by its name."""
    return re.search(BIAS_OR_NORM, variable.name) is not None


class DecayedSgd(tf.keras.optimizers.SGD):
    """SGD with momentum whose weight decay is part of the gradient (L2 regularisation).

    With gradient g, weights w and learning rate lr:

        m = momentum * m + lr * (g + weight_decay * w)
        w = w - m, or with Nesterov w - (momentum * m + lr * (g + weight_decay * w))
    """

    def __init__(self, *args, weight_decay: float = 0.0, **kwargs):
        super().__init__(*args, **kwargs)
        # Not Keras' attribute `weight_decay`, which decays apart from the gradient.
        self.l2_decay = weight_decay

    def decays(self, variable: tf.Variable) -> bool:
        """Whether weight decay applies to a variable."""
        return not is_bias_or_norm(variable)

    def rate_factor(self, direction: tf.Tensor, variable: tf.Variable) -> tf.Tensor | float:
        """A scalar factor on the learning rate of a variable whose gradient with decay is `direction`."""
        return 1.0

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        direction = tf.convert_to_tensor(gradient)
        if self.l2_decay and self.decays(variable):
            direction += self.l2_decay * variable
        rate = tf.cast(self.learning_rate, variable.dtype) * self.rate_factor(direction, variable)
        # The update of Keras' SGD in one operation, which goes over the memory twice instead of ten times.
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=compat.slot_of(self, self.momentums, variable).handle,
            lr=rate,
            grad=direction,
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "weight_decay": self.l2_decay}


class DecayedAdam(tf.keras.optimizers.Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, "AdamW", ICLR 2019).

    w = w - lr * weight_decay * w - lr * Adam's step
    """

    def __init__(self, *args, weight_decay: float = 0.0, **kwargs):
        super().__init__(*args, **kwargs)
        # Not Keras' attribute `weight_decay`, which decays before, and outside of, `update_step`.
        self.decoupled_decay = weight_decay

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        if self.decoupled_decay and not is_bias_or_norm(variable):
            rate = tf.cast(self.learning_rate, variable.dtype)
            variable.assign_sub(rate * self.decoupled_decay * variable)
        super().update_step(gradient, variable)

    def get_config(self) -> dict:
        return {**super().get_config(), "weight_decay": self.decoupled_decay}
