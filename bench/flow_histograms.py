"""Histograms of optical flow: what is in the pixels, for networks to be compared with.

brave_tf_eval --task=folds/linear_flow --function=bench.flow_histograms:histograms
"""

from __future__ import annotations

import math

import tensorflow as tf

DIRECTIONS = 8
SEGMENTS = 4
CELLS = 2


def histograms(flow: tf.Tensor) -> tf.Tensor:
    """Adds up how far pixels move in each direction, in parts of the window.

    The directions of a cell share its movement, divided as in histograms of oriented flow (Laptev et al.,
    "Learning realistic human actions from movies", CVPR 2008): each counts with its length, between the two
    nearest directions by its angle. The square root makes large movements count less.

    Args:
      flow: (B, T, H, W, 2) float32, rightward then downward, T at least `SEGMENTS` and H, W at least `CELLS`.

    Returns:
      (B, SEGMENTS * CELLS * CELLS * DIRECTIONS) float32.
    """
    lengths = tf.norm(flow, axis=-1)
    place = tf.math.atan2(flow[..., 1], flow[..., 0]) * (DIRECTIONS / (2 * math.pi))
    centres = tf.range(DIRECTIONS, dtype=tf.float32)
    apart = tf.math.floormod(place[..., tf.newaxis] - centres, float(DIRECTIONS))
    apart = tf.minimum(apart, DIRECTIONS - apart)
    shares = lengths[..., tf.newaxis] * tf.maximum(1.0 - apart, 0.0)
    time, height, width = (
        size // parts for size, parts in zip(flow.shape[1:4], (SEGMENTS, CELLS, CELLS))
    )
    shares = shares[:, : SEGMENTS * time, : CELLS * height, : CELLS * width]
    divided = tf.reshape(shares, (-1, SEGMENTS, time, CELLS, height, CELLS, width, DIRECTIONS))
    means = tf.reduce_mean(divided, axis=(2, 4, 6))
    return tf.reshape(tf.sqrt(means), (-1, SEGMENTS * CELLS * CELLS * DIRECTIONS))
