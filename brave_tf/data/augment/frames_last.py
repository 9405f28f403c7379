"""Clips whose frames are the innermost dimension: (H, W, C, T) instead of (T, H, W, C).

What changes all frames alike can be faster on them: the values of a pixel in all frames lie side by side.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Callable

import tensorflow as tf

# Fewer frames make short runs of values, and more are slow to transpose.
_FEWEST, _MOST = 16, 32


def to_frames_last(video: tf.Tensor) -> tf.Tensor:
    """Reorders (T, H, W, C) to (H, W, C, T)."""
    # As a matrix, which is faster to transpose than four dimensions.
    frames, *pixel = video.shape
    return tf.reshape(tf.transpose(tf.reshape(video, (frames, -1))), (*pixel, frames))


def to_frames_first(video: tf.Tensor) -> tf.Tensor:
    """Reorders (H, W, C, T) to (T, H, W, C)."""
    *pixel, frames = video.shape
    return tf.reshape(tf.transpose(tf.reshape(video, (-1, frames))), (frames, *pixel))


def are_faster(augmentations: Sequence[Callable], num_frames: int) -> bool:
    """Returns whether all augmentations take clips with the frames last, and are faster on them.

    Those take them that have a keyword `frames_last`. One alone gains less than putting the frames first
    again costs.
    """
    enough = len(augmentations) > 1 and _FEWEST <= num_frames <= _MOST
    return enough and all(map(_takes_them, augmentations))


def _takes_them(augmentation: Callable) -> bool:
    try:
        return "frames_last" in inspect.signature(augmentation).parameters
    except ValueError:  # Some that are not written in Python have none.
        return False
