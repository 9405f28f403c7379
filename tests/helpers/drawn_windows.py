"""Clips of which only the length matters, and the windows that rules draw of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from brave_tf.data.records.reader import Clip
from brave_tf.data.views.base import View
from brave_tf.data.views.rgb import RgbView
from brave_tf.data.views.windows import WindowRule, draw_windows

# 16 frames, 2 apart: from the first to the last are 31.
VIEW = RgbView(num_frames=16, frame_step=2, size=16, min_area=1.0, augmentations=())


def clip(frames: int, samples: int = 0, frame_rate: float = 25.0) -> Clip:
    """A clip whose frames are no pictures, and whose sound is silent."""
    return Clip(
        images=tf.fill((frames,), ""),
        flow=tf.zeros((0,), tf.string),
        audio=tf.zeros((samples,)),
        frame_rate=tf.constant(frame_rate, tf.float64),
        sample_rate=tf.constant(8000.0, tf.float64),
        flow_bound=tf.constant(20.0),
        labels=tf.zeros((0,), tf.int64),
        path=tf.constant(""),
    )


def views(*names: str, view: View = VIEW) -> dict[str, View]:
    """The same view under several names."""
    return dict.fromkeys(names, view)


def starts(
    rules: Sequence[WindowRule],
    some_views: Mapping[str, View],
    of: Clip,
    number: int,
    seed: int = 0,
) -> np.ndarray:
    """Draws the windows of a clip again and again: (number, views) float64 seconds."""

    @tf.function
    def draw(count: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda index: tf.stack(
                [
                    window.start
                    for window in draw_windows(
                        of, some_views, tf.stack([index, seed]), rules
                    ).values()
                ]
            ),
            tf.range(count),
            fn_output_signature=tf.TensorSpec((len(some_views),), tf.float64),
        )

    return draw(tf.constant(number)).numpy()
