"""Loss of colour."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.data.augment.base import require_rgb, with_probability
from brave_tf.data.augment.color_matrix import apply_matrix

_LUMA = (0.2989, 0.5870, 0.1140)  # The digits of `tf.image.rgb_to_grayscale`.


@gin.configurable(denylist=["frames_last"])
def random_gray(
    video: tf.Tensor, seed: tf.Tensor, probability: float = 0.2, frames_last: bool = False
) -> tf.Tensor:
    """Turns all frames gray or none.

    Args:
      video: (T, H, W, 3) float32.
      seed: (2,) int32.
      probability: of gray frames.
      frames_last: `video` and the result are (H, W, 3, T).
    """
    require_rgb(video, "random_gray", frames_last)
    return with_probability(probability, seed, video, lambda video, _: gray(video, frames_last))


def gray(video: tf.Tensor, frames_last: bool = False) -> tf.Tensor:
    """Returns the luma (ITU-R BT.601) of (T, H, W, 3) or (H, W, 3, T) frames in all three channels."""
    matrix = tf.constant([[weight] * 3 for weight in _LUMA])
    return apply_matrix(video, matrix, frames_last=frames_last)
