"""Weight decay, of variables that are told by their names."""

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

    With gradient g, weights w, learning rate lr and u = g + weight_decay * w:

        m = momentum * m + lr * u,   w = w - m, or with Nesterov w - (momentum * m + lr * u)

    and if not `rate_inside`, as PyTorch does, which differs where the rate changes:

        m = momentum * m + u,   w = w - lr * m, or with Nesterov w - lr * (momentum * m + u)

    Args:
      *args: those of `tf.keras.optimizers.SGD`.
      weight_decay: see above.
      decay_all: whether biases and normalisation layers decay too.
      rate_inside: see above.
      **kwargs: those of `tf.keras.optimizers.SGD`.
    """

    def __init__(
        self,
        *args,
        weight_decay: float = 0.0,
        decay_all: bool = False,
        rate_inside: bool = True,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        # Not Keras' attribute `weight_decay`, which decays apart from the gradient.
        self.l2_decay = weight_decay
        self.decay_all = decay_all
        self.rate_inside = rate_inside

    def decays(self, variable: tf.Variable) -> bool:
        """Whether weight decay applies to a variable."""
        return self.decay_all or not is_bias_or_norm(variable)

    def rate_factor(self, direction: tf.Tensor, variable: tf.Variable) -> tf.Tensor | float:
        """A scalar factor on the learning rate of a variable whose gradient with decay is `direction`."""
        return 1.0

    def direction(
        self, gradient: tf.Tensor, variable: tf.Variable
    ) -> tuple[tf.Tensor, tf.Tensor | float]:
        """Returns the gradient with decay, and a scalar factor on it."""
        direction = tf.convert_to_tensor(gradient)
        if self.l2_decay and self.decays(variable):
            direction += self.l2_decay * variable
        return direction, self.rate_factor(direction, variable)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        direction, factor = self.direction(gradient, variable)
        rate = tf.cast(self.learning_rate, variable.dtype)
        if self.rate_inside:
            apply, rate = tf.raw_ops.ResourceApplyKerasMomentum, rate * factor
        else:
            apply, direction = tf.raw_ops.ResourceApplyMomentum, direction * factor
        # The update in one operation, which goes over the memory twice instead of ten times.
        apply(
            var=variable.handle,
            accum=compat.slot_of(self, self.momentums, variable).handle,
            lr=rate,
            grad=direction,
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )

    def get_config(self) -> dict:
        own = {"weight_decay": self.l2_decay}
        # What was added is left out where it is as before, so that what was kept before is the same.
        if self.decay_all:
            own["decay_all"] = True
        if not self.rate_inside:
            own["rate_inside"] = False
        return {**super().get_config(), **own}


class DecayedAdam(tf.keras.optimizers.Adam):
    """Adam with weight decay, apart from the gradient or as part of it.

    Decoupled (Loshchilov and Hutter, "AdamW", ICLR 2019):

        w = w - lr * weight_decay * w - lr * Adam's step of g

    Coupled (L2 regularisation, PyTorch's `Adam`):

        w = w - lr * Adam's step of (g + l2_decay * w)

    Args:
      *args: those of `tf.keras.optimizers.Adam`.
      weight_decay: decoupled.
      l2_decay: coupled.
      decay_all: whether biases and normalisation layers decay too.
      **kwargs: those of `tf.keras.optimizers.Adam`.
    """

    def __init__(
        self,
        *args,
        weight_decay: float = 0.0,
        l2_decay: float = 0.0,
        decay_all: bool = False,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        # Not Keras' attribute `weight_decay`, which decays before, and outside of, `update_step`.
        self.decoupled_decay = weight_decay
        self.l2_decay = l2_decay
        self.decay_all = decay_all

    def decays(self, variable: tf.Variable) -> bool:
        """Whether weight decay applies to a variable."""
        return self.decay_all or not is_bias_or_norm(variable)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        decays = self.decays(variable)
        if self.l2_decay and decays:
            gradient = tf.convert_to_tensor(gradient) + self.l2_decay * variable
        if self.decoupled_decay and decays:
            rate = tf.cast(self.learning_rate, variable.dtype)
            variable.assign_sub(rate * self.decoupled_decay * variable)
        super().update_step(gradient, variable)

    def get_config(self) -> dict:
        own = {"weight_decay": self.decoupled_decay}
        if self.l2_decay:
            own["l2_decay"] = self.l2_decay
        if self.decay_all:
            own["decay_all"] = True
        return {**super().get_config(), **own}
