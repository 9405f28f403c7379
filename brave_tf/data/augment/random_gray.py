"""Loss of colour."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.data.augment.base import require_rgb, with_probability


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
    return tf.repeat(tf.image.rgb_to_grayscale(video), 3, axis=-1)
