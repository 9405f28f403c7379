"""What a training step does otherwise where Keras scales the loss, for gradients in float16."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

Gradients = Sequence["tf.Tensor | None"]


def scales(optimizer: tf.keras.optimizers.Optimizer) -> bool:
    """Returns whether an optimizer scales the loss, and leaves steps out that overflow."""
    return isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer)


def scaled(optimizer: tf.keras.optimizers.Optimizer, loss: tf.Tensor) -> tf.Tensor:
    """Returns the loss that gradients are taken of."""
    return optimizer.get_scaled_loss(loss) if scales(optimizer) else loss


def unscaled(optimizer: tf.keras.optimizers.Optimizer, gradients: Gradients) -> Gradients:
    """Returns the gradients of the loss itself."""
    return optimizer.get_unscaled_gradients(gradients) if scales(optimizer) else gradients


def harmless(
    optimizer: tf.keras.optimizers.Optimizer, gradients: list[tf.Tensor], norm: tf.Tensor
) -> list[tf.Tensor]:
    """Returns zeros in place of gradients that are not finite, except where loss scaling has to see them.

    Args:
      optimizer: takes the step.
      gradients: of all variables.
      norm: () theirs, together.
    """
    if scales(optimizer):
        return gradients

    def zeros() -> list[tf.Tensor]:
        return [tf.zeros_like(gradient) for gradient in gradients]

    # A choice of lists, since one by value is a copy of every gradient.
    return tf.cond(tf.math.is_finite(norm), lambda: gradients, zeros)
