"""Colour jitter."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.data.augment.base import require_rgb, with_probability


@gin.configurable
def random_color(
    video: tf.Tensor,
    seed: tf.Tensor,
    probability: float = 0.8,
    brightness: float = 32.0 / 255.0,
    saturation: tuple[float, float] = (0.6, 1.4),
    contrast: tuple[float, float] = (0.6, 1.4),
    hue: float = 0.2,
) -> tf.Tensor:
    """Changes the colours of all frames alike. The defaults are those of the released BraVe code.

    Args:
      video: (T, H, W, 3) float32 in [0, 1].
      seed: (2,) int32.
      probability: of any change.
      brightness: at most this is added or taken away.
      saturation: range of the factor.
      contrast: range of the factor.
      hue: at most this is added or taken away, as a fraction of the colour circle.

    Returns:
      float32 of the same shape, clipped to [0, 1].
    """
    require_rgb(video, "random_color")

    def jitter(video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        amounts = tf.random.stateless_uniform((4,), seed)
        low = tf.constant([-brightness, saturation[0], contrast[0], -hue])
        high = tf.constant([brightness, saturation[1], contrast[1], hue])
        return adjust_color(video, *tf.unstack(low + amounts * (high - low)))

    return with_probability(probability, seed, video, jitter)


def adjust_color(
    video: tf.Tensor,
    brightness: tf.Tensor,
    saturation: tf.Tensor,
    contrast: tf.Tensor,
    hue: tf.Tensor,
) -> tf.Tensor:
    """Adds to the brightness, scales saturation and contrast, turns the hue, in this order, and clips.

    Contrast is relative to the mean of each frame and channel.

    Args:
      video: (T, H, W, 3) float32 in [0, 1].
      brightness: () float32, added.
      saturation: () float32, factor.
      contrast: () float32, factor.
      hue: () float32 in [-1, 1], added.
    """
    video = tf.image.adjust_brightness(video, brightness)
    video = tf.image.adjust_saturation(video, saturation)
    video = tf.image.adjust_contrast(video, contrast)
    video = tf.image.adjust_hue(video, hue)
    return tf.clip_by_value(video, 0.0, 1.0)
