"""The door of the data folder to tensorflow-addons, imported when it is first needed."""

from __future__ import annotations

import tensorflow as tf


def adjust_hsv_in_yiq(
    image: tf.Tensor, angle: tf.Tensor, saturation: tf.Tensor, value: tf.Tensor
) -> tf.Tensor:
    """Turns and scales colours in YIQ, by the fused operation of tensorflow-addons.

    Args:
      image: (..., 3) float32 RGB.
      angle: () float32, radians. Positive turns from green to red: against the hue of HSV.
      saturation: () float32, factor of I and Q.
      value: () float32, factor of Y, I and Q.

    Returns:
      float32 of the same shape, not clipped.
    """
    import tensorflow_addons

    return tensorflow_addons.image.adjust_hsv_in_yiq(image, angle, saturation, value)
