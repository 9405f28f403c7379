"""Colour changes that are a matrix product."""

from __future__ import annotations

import math

import tensorflow as tf

from brave_tf.data.kernels import library

# Pixels that are multiplied at once: a product of 3 by 3 is too small to be fast.
_PIXELS = 4


def apply_matrix(video: tf.Tensor, matrix: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
    """Multiplies each pixel (r, g, b) by a matrix from the right and adds a bias.

    Args:
      video: (T, H, W, 3) float32.
      matrix: (3, 3) float32.
      bias: (T, 3) float32, for each frame; None: 0.

    Returns:
      float32 of the same shape.
    """
    frames, height, width, _ = video.shape
    if compiled := library.operations():
        bias = tf.zeros((frames, 3)) if bias is None else bias
        return compiled.brave_tf_mix_colors(video, matrix, bias)
    pixels = math.gcd(_PIXELS, height * width)
    blocks = tf.einsum("ij,ab->iajb", tf.eye(pixels), matrix)  # The matrix along a diagonal.
    flat = tf.reshape(video, (frames * height * width // pixels, 3 * pixels))
    product = tf.matmul(flat, tf.reshape(blocks, (3 * pixels, 3 * pixels)))
    if bias is not None:
        rows = tf.reshape(product, (frames, height, 3 * width))
        product = rows + tf.tile(bias, (1, width))[:, tf.newaxis]
    return tf.reshape(product, video.shape)


def mean_color(video: tf.Tensor) -> tf.Tensor:
    """Returns the mean of each frame and channel of (T, H, W, 3) frames, (T, 3)."""
    # Twice over one dimension is several times faster than once over two.
    return tf.reduce_mean(tf.reduce_mean(video, axis=1), axis=1)
