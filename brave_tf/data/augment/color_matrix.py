"""Colour changes that are a matrix product."""

from __future__ import annotations

import math

import tensorflow as tf

from brave_tf import quiet

# Pixels that are multiplied at once: a product of 3 by 3 is too small to be fast.
_PIXELS = 4


def apply_matrix(
    video: tf.Tensor,
    matrix: tf.Tensor,
    bias: tf.Tensor | None = None,
    frames_last: bool = False,
) -> tf.Tensor:
    """Multiplies each pixel (r, g, b) by a matrix from the right and adds a bias.

    Args:
      video: (T, H, W, 3) float32.
      matrix: (3, 3) float32.
      bias: (T, 3) float32, for each frame; None: 0.
      frames_last: `video` and the result are (H, W, 3, T).

    Returns:
      float32 of the same shape.
    """
    if frames_last:
        quiet.start_xla()
        return _mixed(video, matrix, tf.zeros((1, 3)) if bias is None else bias)
    frames, height, width, _ = video.shape
    pixels = math.gcd(_PIXELS, height * width)
    blocks = tf.einsum("ij,ab->iajb", tf.eye(pixels), matrix)  # The matrix along a diagonal.
    flat = tf.reshape(video, (frames * height * width // pixels, 3 * pixels))
    product = tf.matmul(flat, tf.reshape(blocks, (3 * pixels, 3 * pixels)))
    if bias is not None:
        rows = tf.reshape(product, (frames, height, 3 * width))
        product = rows + tf.tile(bias, (1, width))[:, tf.newaxis]
    return tf.reshape(product, video.shape)


@tf.function(autograph=False, jit_compile=True)
def _mixed(video: tf.Tensor, matrix: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """`apply_matrix` of (H, W, 3, T) frames."""
    colors = tf.unstack(video, axis=2)
    columns = zip(tf.unstack(matrix, axis=1), tf.unstack(bias, axis=1))
    mixed = [tf.add_n([w * c for w, c in zip(tf.unstack(ws), colors)]) + b for ws, b in columns]
    return tf.stack(mixed, axis=2)


def mean_color(video: tf.Tensor, frames_last: bool = False) -> tf.Tensor:
    """Returns the mean of each frame and channel of (T, H, W, 3) or (H, W, 3, T) frames, (T, 3)."""
    # Twice over one dimension is several times faster than once over two.
    if frames_last:
        return tf.transpose(tf.reduce_mean(tf.reduce_mean(video, axis=1), axis=0))
    return tf.reduce_mean(tf.reduce_mean(video, axis=1), axis=1)
