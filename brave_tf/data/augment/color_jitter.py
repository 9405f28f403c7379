"""Colour jitter in random order, as in SimCLR, MoCo and what follows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

import gin
import tensorflow as tf

from brave_tf.data.augment.base import require_rgb, with_probability
from brave_tf.data.augment.random_gray import gray
from brave_tf.errors import UserError

METHODS = ("blend", "tensorflow")
MEANS = ("frame", "clip")


@gin.configurable
def color_jitter(
    video: tf.Tensor,
    seed: tf.Tensor,
    probability: float = 0.8,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
    hue: float = 0.1,
    method: str = "blend",
    mean_of: str = "frame",
) -> tf.Tensor:
    """Changes brightness, contrast, saturation and hue of all frames alike, in an order that is drawn.

    Unlike in `random_color`, brightness is a factor, the order is not fixed, and values are clipped to [0, 1]
    after each change. Factors are uniform from max(0, 1 - x) to 1 + x. The defaults are those of CoCLR.

    Args:
      video: (T, H, W, 3) float32 in [0, 1].
      seed: (2,) int32.
      probability: of any change.
      brightness: reach of the factor around 1.
      contrast: reach of the factor around 1.
      saturation: reach of the factor around 1.
      hue: at most this is added or taken away, as a fraction of the colour circle, up to 0.5.
      method: `blend`, as torchvision: contrast is a blend with the mean luma, saturation one with the luma;
        `tensorflow`: contrast is relative to the mean of each channel, saturation is that of HSV (CVRL).
      mean_of: what the mean of contrast is taken over: each `frame` by itself, or the whole `clip`, which
        CVRL and rho-BYOL treat as one tall picture.

    Returns:
      float32 of the same shape, clipped to [0, 1].

    Raises:
      UserError: an argument cannot be used, or the video is not in colour.
    """
    require_rgb(video, "color_jitter")
    for name, value, known in (("method", method, METHODS), ("mean_of", mean_of, MEANS)):
        if value not in known:
            raise UserError(f"color_jitter.{name} = {value!r}: expected one of {', '.join(known)}.")
    reaches = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
    for name, reach in reaches.items():
        if reach < 0 or (name == "hue" and reach > 0.5):
            expected = "0 to 0.5" if name == "hue" else "0 or more"
            raise UserError(f"color_jitter.{name} = {reach}: expected {expected}.")

    def jitter(video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        order_seed, seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        # Not `stateless_shuffle`, which XLA does not know.
        order = tf.argsort(tf.random.stateless_uniform((4,), order_seed))
        low = tf.constant([*(max(0.0, 1.0 - r) for r in (brightness, contrast, saturation)), -hue])
        high = tf.constant([1.0 + brightness, 1.0 + contrast, 1.0 + saturation, hue])
        amounts = low + tf.random.stateless_uniform((4,), seed) * (high - low)
        return jitter_colors(video, tf.unstack(order), tf.unstack(amounts), method, mean_of)

    return with_probability(probability, seed, video, jitter)


def jitter_colors(
    video: tf.Tensor,
    order: Sequence[tf.Tensor],
    amounts: Sequence[tf.Tensor],
    method: str,
    mean_of: str,
) -> tf.Tensor:
    """Makes the changes of `color_jitter` one after the other, and clips after each.

    Args:
      video: (T, H, W, 3) float32 in [0, 1].
      order: () int32 each, or numbers: 0 for brightness, 1 for contrast, 2 for saturation, 3 for hue.
      amounts: () float32 each: the factors of the first three, and what is added to the hue.
      method: see `color_jitter`.
      mean_of: see `color_jitter`.
    """
    changes = _changes(amounts, method, (0, 1, 2) if mean_of == "clip" else (1, 2))
    for index in order:
        branches = [lambda change=change, now=video: change(now) for change in changes]
        changed = tf.switch_case(tf.convert_to_tensor(index), branches)
        video = tf.clip_by_value(changed, 0.0, 1.0)
    return video


def _changes(
    amounts: Sequence[tf.Tensor], method: str, axes: tuple[int, ...]
) -> list[Callable[[tf.Tensor], tf.Tensor]]:
    """The four changes; the mean of contrast is over `axes`."""
    brightness, contrast, saturation, hue = amounts

    def apart(video: tf.Tensor, center: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        return center + factor * (video - center)

    def contrasted(video: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(gray(video) if method == "blend" else video, axes, keepdims=True)
        return apart(video, mean, contrast)

    def saturated(video: tf.Tensor) -> tf.Tensor:
        if method == "blend":
            return apart(video, gray(video), saturation)
        return tf.image.adjust_saturation(video, saturation)

    return [
        lambda video: video * brightness,
        contrasted,
        saturated,
        lambda video: tf.image.adjust_hue(video, hue),
    ]
