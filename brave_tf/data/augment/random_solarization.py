"""Solarisation: bright values are inverted."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.data.augment.base import with_probability
from brave_tf.errors import UserError


@gin.configurable
def random_solarization(
    video: tf.Tensor, seed: tf.Tensor, probability: float = 0.2, threshold: float = 0.5
) -> tf.Tensor:
    """Inverts what is bright in all frames or in none; the defaults are those of BYOL and CVRL.

    Args:
      video: (T, H, W, C) float32 in [0, 1].
      seed: (2,) int32.
      probability: of a solarisation.
      threshold: values from it on are inverted, in [0, 1].

    Raises:
      UserError: `threshold` is outside [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise UserError(f"random_solarization.threshold = {threshold}: expected 0 to 1.")
    return with_probability(probability, seed, video, lambda video, _: solarize(video, threshold))


def solarize(video: tf.Tensor, threshold: float) -> tf.Tensor:
    """Returns 1 - x for each value x of `threshold` or more, and x for the others."""
    return tf.where(video < threshold, video, 1.0 - video)
