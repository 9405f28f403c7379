"""What augmentations share."""

from __future__ import annotations

from typing import Callable

import tensorflow as tf

from brave_tf.errors import UserError


def with_probability(
    probability: float,
    seed: tf.Tensor,
    values: tf.Tensor,
    apply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Returns `apply(values, seed)` with a chance of `probability`, else `values`; the rest is not computed.

    Args:
      probability: in [0, 1].
      seed: (2,) int32; the draw and `apply` get seeds derived from it.
      values: what is augmented.
      apply: (values, seed) -> values of the same shape.

    Raises:
      UserError: `probability` is outside [0, 1].
    """
    if not 0 <= probability <= 1:
        raise UserError(f"an augmentation's probability is {probability}: expected 0 to 1.")
    draw_seed, apply_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    if probability == 1:
        return apply(values, apply_seed)
    drawn = tf.random.stateless_uniform((), draw_seed) < probability
    return tf.cond(drawn, lambda: apply(values, apply_seed), lambda: values)


def require_rgb(video: tf.Tensor, name: str) -> None:
    """Raises UserError unless `video` has three channels; `name` is the augmentation that asks."""
    if video.shape[-1] != 3:
        raise UserError(
            f"{name} works on colour, but was given values of shape {tuple(video.shape)}. "
            "Take it out of the augmentations of views that are not an RgbView."
        )
