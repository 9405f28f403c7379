"""Weight decay that leaves biases and normalisation layers alone."""

from __future__ import annotations

import re

import tensorflow as tf

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

    def direction(self, gradient: tf.Tensor, variable: tf.Variable) -> tf.Tensor:
        """What is accumulated in place of the gradient; same shape."""
        return gradient + self.l2_decay * variable if self.decays(variable) else gradient

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        gradient = tf.convert_to_tensor(gradient)
        super().update_step(self.direction(gradient, variable), variable)

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
