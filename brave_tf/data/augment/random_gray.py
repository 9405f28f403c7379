"""Loss of colour."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.data.augment.base import require_rgb, with_probability
from brave_tf.data.augment.color_matrix import apply_matrix

_LUMA = (0.2989, 0.5870, 0.1140)  # The digits of `tf.image.rgb_to_grayscale`.


@gin.configurable
def random_gray(video: tf.Tensor, seed: tf.Tensor, probability: float = 0.2) -> tf.Tensor:
    """Turns all frames gray or none.

    Args:
      video: (T, H, W, 3) float32.
      seed: (2,) int32.
      probability: of gray frames.
    """
    require_rgb(video, "random_gray")
    return with_probability(probability, seed, video, lambda video, _: gray(video))


def gray(video: tf.Tensor) -> tf.Tensor:
    """Returns the luma (ITU-R BT.601) of (T, H, W, 3) frames in all three channels."""
    matrix = tf.constant([[weight] * 3 for weight in _LUMA])
    return apply_matrix(video, matrix)
