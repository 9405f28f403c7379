"""Horizontal flips."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.data.augment.base import with_probability
from brave_tf.data.kernels import library


@gin.configurable
def random_flip(video: tf.Tensor, seed: tf.Tensor, probability: float = 0.5) -> tf.Tensor:
    """Mirrors all frames or none.

    Args:
      video: (T, H, W, C) float32. Two channels are optical flow, whose u changes sign.
      seed: (2,) int32.
      probability: of a flip.
    """
    return with_probability(probability, seed, video, lambda video, _: flip(video))


def flip(video: tf.Tensor) -> tf.Tensor:
    """Mirrors (T, H, W, C) frames left to right, and the direction of flow with them."""
    channels = video.shape[-1]
    compiled = library.operations()
    if compiled and channels in (2, 3):
        return compiled.brave_tf_flip_frames(video)
    # Three dimensions have a reversal that is several times faster than that of four.
    rows = tf.reshape(video, (-1, *video.shape[2:]))
    mirrored = tf.reshape(tf.reverse(rows, axis=[1]), tf.shape(video))
    return mirrored * tf.constant([-1.0, 1.0], video.dtype) if channels == 2 else mirrored
