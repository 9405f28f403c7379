"""Horizontal flips."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.data.augment.base import with_probability


@gin.configurable(denylist=["frames_last"])
def random_flip(
    video: tf.Tensor, seed: tf.Tensor, probability: float = 0.5, frames_last: bool = False
) -> tf.Tensor:
    """Mirrors all frames or none.

    Args:
      video: (T, H, W, C) float32. Two channels are optical flow, whose u changes sign.
      seed: (2,) int32.
      probability: of a flip.
      frames_last: `video` and the result are (H, W, C, T).
    """
    return with_probability(probability, seed, video, lambda video, _: flip(video, frames_last))


def flip(video: tf.Tensor, frames_last: bool = False) -> tf.Tensor:
    """Mirrors (T, H, W, C) or (H, W, C, T) frames left to right, and the direction of flow with them."""
    # Three dimensions have a reversal that is several times faster than that of four.
    if frames_last:
        height, width, channels, frames = video.shape
        rows = tf.reshape(video, (height, width, channels * frames))
    else:
        channels = video.shape[-1]
        rows = tf.reshape(video, (-1, *video.shape[2:]))
    mirrored = tf.reshape(tf.reverse(rows, axis=[1]), tf.shape(video))
    if channels == 2:
        signs = tf.constant([-1.0, 1.0], video.dtype)
        return mirrored * (signs[:, tf.newaxis] if frames_last else signs)
    return mirrored
