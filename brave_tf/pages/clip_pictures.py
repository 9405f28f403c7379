"""Clips as small pictures of one height: a few frames side by side, or a spectrogram."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow as tf

from brave_tf.data.media.flow import dequantize
from brave_tf.data.records import stored_values
from brave_tf.data.records.stored_values import StoredValues
from brave_tf.pages import pictures
from brave_tf.pages.spectrogram import spectrogram

HEIGHT = 84
_FRAMES, _GAP = 3, 3


def frames(stored: tf.Tensor | StoredValues) -> list[np.ndarray]:
    """Returns three frames from all over a clip, (H, W, 3) uint8 each.

    Args:
      stored: (T,) string, a JPEG each, or where they are; or (T, H, W, 3) uint8 of media files.
    """
    count = int(stored_values.count(stored))
    indices = [int((index + 0.5) * count / _FRAMES) for index in range(_FRAMES)]
    chosen = stored_values.take(stored, tf.constant(indices))
    return [
        (tf.io.decode_jpeg(frame, channels=3) if frame.dtype == tf.string else frame).numpy()
        for frame in chosen
    ]


def flow_colours(stored: Sequence[np.ndarray], bound: float) -> list[np.ndarray]:
    """Returns flow as colours, full where one displacement in a hundred is longer.

    Args:
      stored: (H, W, 3) uint8 each, as records hold flow.
      bound: the displacement in pixels that 0 and 255 stand for.
    """
    fields = [dequantize(frame, bound) for frame in stored]
    lengths = np.concatenate([np.hypot(f[..., 0], f[..., 1]).ravel() for f in fields])
    scale = max(float(np.percentile(lengths, 99)), bound / 20)
    return [pictures.flow_colours(field, scale) for field in fields]


def side_by_side(images: Sequence[np.ndarray]) -> np.ndarray:
    """Returns (H, W, 3) uint8 pictures of one size as one of the common height."""
    width = max(1, round(HEIGHT * images[0].shape[1] / images[0].shape[0]))
    gap = np.full((HEIGHT, _GAP, 3), 255, np.uint8)
    resized = [cv2.resize(i, (width, HEIGHT), interpolation=cv2.INTER_AREA) for i in images]
    return np.concatenate([part for image in resized for part in (gap, image)][1:], axis=1)


def sound(samples: np.ndarray, rate: float) -> np.ndarray:
    """Draws the spectrogram of (samples,) float32 at `rate` Hz."""
    image = spectrogram(samples, rate)[0]
    return cv2.resize(image, (3 * HEIGHT, HEIGHT), interpolation=cv2.INTER_AREA)
