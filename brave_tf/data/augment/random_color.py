"""Colour jitter."""

from __future__ import annotations

import math
from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.data.augment import tfa
from brave_tf.data.augment.base import require_rgb, with_probability
from brave_tf.data.augment.color_matrix import mean_color
from brave_tf.data.kernels import library
from brave_tf.errors import UserError
from brave_tf.process import startup

_TINY = 1e-20  # Below every difference of colours, above 0.
# It differed from `addons` by rounding alone.
_FORMER_METHODS = {"yiq": "addons"}


@gin.configurable
def random_color(
    video: tf.Tensor,
    seed: tf.Tensor,
    probability: float = 0.8,
    brightness: float = 32.0 / 255.0,
    saturation: tuple[float, float] = (0.6, 1.4),
    contrast: tuple[float, float] = (0.6, 1.4),
    hue: float = 0.2,
    method: str = "exact",
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
      method: 'exact' changes saturation and hue in HSV, 'addons' does so in YIQ, see `METHODS`.

    Returns:
      float32 of the same shape, clipped to [0, 1].

    Raises:
      UserError: there is no such method, or the video is not in colour.
    """
    require_rgb(video, "random_color")
    method = _FORMER_METHODS.get(method, method)
    if method not in METHODS:
        raise UserError(f"random_color.method = {method!r}: expected one of {', '.join(METHODS)}.")

    def jitter(video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        amounts = tf.random.stateless_uniform((4,), seed)
        low = tf.constant([-brightness, saturation[0], contrast[0], -hue])
        high = tf.constant([brightness, saturation[1], contrast[1], hue])
        changes = tf.unstack(low + amounts * (high - low))
        return METHODS[method](video, *changes)

    return with_probability(probability, seed, video, jitter)


# XLA makes one pass of what are some thirty operations. A mean between them would be a slow one: it is taken
# outside, and so there are two functions. What lies between them are planes, (3, T, H, W).
@tf.function(autograph=False, jit_compile=True)
def _saturated(video: tf.Tensor, brightness: tf.Tensor, saturation: tf.Tensor) -> tf.Tensor:
    """The first half of `adjust_color`, of (T, H, W, 3)."""
    planes = [plane + brightness for plane in tf.unstack(video, axis=3)]
    return tf.stack(_scale_saturation(planes, saturation))


@tf.function(autograph=False, jit_compile=True)
def _turned(planes: tf.Tensor, means: tf.Tensor, contrast: tf.Tensor, hue: tf.Tensor) -> tf.Tensor:
    """The second half of `adjust_color`, still in planes; `means` are those of pixels."""
    contrasted = (planes - means) * contrast + means
    return tf.clip_by_value(_turn_hue(contrasted, hue), 0.0, 1.0)


def _scale_saturation(colors: Sequence[tf.Tensor], factor: tf.Tensor) -> list[tf.Tensor]:
    """Scales (max - min) / max of each pixel, at most to 1; max stays what it is."""
    highest, lowest = _extremes(*colors)
    most = highest / tf.maximum(highest - lowest, _TINY)
    factor = tf.maximum(tf.minimum(factor, most), 0.0)
    return [highest - (highest - plane) * factor for plane in colors]


def _turn_hue(planes: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
    """Turns the hue of each pixel; its max and min stay what they are."""
    red, green, blue = tf.split(planes, 3)
    highest, lowest = _extremes(red, green, blue)
    chroma = highest - lowest
    scale = 1.0 / tf.maximum(chroma, _TINY)
    # Not `highest == red`: XLA may compute a value twice, with another rounding.
    sixths = tf.where(
        (red >= green) & (red >= blue),
        (green - blue) * scale,
        tf.where(green >= blue, 2.0 + (blue - red) * scale, 4.0 + (red - green) * scale),
    )
    # All three at once, which XLA makes faster code of than of three to stack.
    offsets = tf.reshape(tf.constant([5.0, 3.0, 1.0]) / 6.0, (3, 1, 1, 1))
    circles = sixths / 6.0 + (turns + offsets)
    at = 6.0 * (circles - tf.floor(circles))
    return highest - chroma * tf.clip_by_value(tf.minimum(at, 4.0 - at), 0.0, 1.0)


def _extremes(red: tf.Tensor, green: tf.Tensor, blue: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the highest and the lowest of each pixel."""
    highest = tf.maximum(tf.maximum(red, green), blue)
    return highest, tf.minimum(tf.minimum(red, green), blue)


def adjust_color(
    video: tf.Tensor,
    brightness: tf.Tensor,
    saturation: tf.Tensor,
    contrast: tf.Tensor,
    hue: tf.Tensor,
) -> tf.Tensor:
    """Adds to the brightness, scales saturation and contrast, turns the hue, in this order, and clips.

    Saturation and hue are those of HSV, contrast is relative to the mean of each frame and channel.

    Args:
      video: (T, H, W, 3) float32 in [0, 1].
      brightness: () float32, added.
      saturation: () float32, factor.
      contrast: () float32, factor.
      hue: () float32 in [-1, 1], added.
    """
    brightness, saturation, contrast, hue = _float32(brightness, saturation, contrast, hue)
    if compiled := library.operations():
        changes = tf.stack([brightness, saturation, contrast, hue])
        return compiled.brave_tf_change_color(video, changes)
    startup.make_xla_streams()
    planes = _saturated(video, brightness, saturation)
    means = tf.reduce_mean(tf.reshape(planes, (*planes.shape[:2], -1)), axis=2)
    turned = _turned(planes, means[..., tf.newaxis, tf.newaxis], contrast, hue)
    return tf.transpose(turned, (1, 2, 3, 0))


def adjust_color_by_addons(
    video: tf.Tensor,
    brightness: tf.Tensor,
    saturation: tf.Tensor,
    contrast: tf.Tensor,
    hue: tf.Tensor,
) -> tf.Tensor:
    """Like `adjust_color`, with saturation and hue in YIQ, by the fused operation of tensorflow-addons."""
    brightness, saturation, contrast, hue = _float32(brightness, saturation, contrast, hue)
    frames, height, width, _ = video.shape
    angle = (-2.0 * math.pi) * hue
    shift = mean_color(video) * (1.0 - contrast) + brightness
    bias = tfa.adjust_hsv_in_yiq(shift[:, tf.newaxis], angle, saturation, 1.0)
    turned = tfa.adjust_hsv_in_yiq(video, angle, saturation, contrast)
    rows = tf.reshape(turned, (frames, height, 3 * width)) + tf.tile(bias, (1, 1, width))
    return tf.clip_by_value(tf.reshape(rows, video.shape), 0.0, 1.0)


def _float32(*values: tf.Tensor) -> list[tf.Tensor]:
    return [tf.cast(value, tf.float32) for value in values]


# 'exact' is the change that the released BraVe code makes. In YIQ colours keep their luma instead of
# their max, and hues are turned by an angle that HSV's hexagon measures a little differently;
# `python -m bench augment --steps=color` tells what each costs.
METHODS = {"exact": adjust_color, "addons": adjust_color_by_addons}
