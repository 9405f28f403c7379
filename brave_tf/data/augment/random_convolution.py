"""Random convolutions, which change texture and keep shape."""

from __future__ import annotations

import math

import gin
import numpy as np
import tensorflow as tf

from brave_tf.data.augment.base import with_probability
from brave_tf.errors import UserError

# The standard deviation that is left of a normal distribution truncated at two.
_TRUNCATED_STDDEV = 0.87962566103423978
# Pixels that large kernels see as one, and the smallest kernel for which that is faster.
_BLOCK = 4
_BLOCKED_SIZE = 5


@gin.configurable
def random_convolution(
    video: tf.Tensor, seed: tf.Tensor, probability: float = 1.0, max_kernel: int = 11
) -> tf.Tensor:
    """Convolves all frames with one random kernel; BraVe does so in its broad colour view.

    After "Robust and Generalizable Visual Representation Learning via Random Convolutions" (Xu et
    al., ICLR 2021). The size is drawn from the odd numbers up to `max_kernel`, the weights from the
    He normal distribution.

    Args:
      video: (T, H, W, C) float32.
      seed: (2,) int32.
      probability: of a convolution.
      max_kernel: largest kernel.

    Returns:
      float32 of the same shape; not clipped to the range of the input.

    Raises:
      UserError: `max_kernel` is below 1.
    """
    if max_kernel < 1:
        raise UserError(f"random_convolution.max_kernel = {max_kernel}: expected at least 1.")
    sizes = range(1, max_kernel + 1, 2)
    channels = video.shape[-1]

    def convolve(video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        size_seed, kernel_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        choice = tf.random.stateless_uniform((), size_seed, 0, len(sizes), dtype=tf.int32)
        return tf.switch_case(
            choice,
            [
                lambda size=size: apply_convolution(video, he_normal(size, channels, kernel_seed))
                for size in sizes
            ],
        )

    return with_probability(probability, seed, video, convolve)


def he_normal(size: int, channels: int, seed: tf.Tensor) -> tf.Tensor:
    """Draws a (size, size, channels, channels) kernel: truncated normal, variance 2 / fan-in."""
    stddev = math.sqrt(2.0 / (size * size * channels)) / _TRUNCATED_STDDEV
    shape = (size, size, channels, channels)
    return tf.random.stateless_truncated_normal(shape, seed, stddev=stddev)


def apply_convolution(video: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolves (T, H, W, C) frames with a (k, k, C, C) kernel, k odd; outside them is 0."""
    size = kernel.shape[0]
    frames, height, width, channels = video.shape
    if size < _BLOCKED_SIZE or width % _BLOCK:
        return tf.nn.conv2d(video, kernel, 1, "SAME")
    # Convolutions with few channels are slow: neighbours in a row become channels of one wide pixel.
    wide = tf.reshape(video, (frames, height, width // _BLOCK, _BLOCK * channels))
    return tf.reshape(tf.nn.conv2d(wide, _wide_kernel(kernel), 1, "SAME"), video.shape)


def _wide_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """Returns the kernel that does to `_BLOCK` pixels at once what a (k, k, C, C) kernel does to one."""
    size, channels = kernel.shape[0], kernel.shape[2]
    radius = size // 2
    wide_radius = -(-radius // _BLOCK)
    # Which tap leads from a pixel of the 2 * wide_radius + 1 wide ones to a pixel of the middle one.
    sources = np.arange(-wide_radius * _BLOCK, (wide_radius + 1) * _BLOCK)
    taps = sources[:, np.newaxis] - np.arange(_BLOCK) + radius
    used = ((taps >= 0) & (taps < size)).astype(np.float32)
    taps = tf.gather(kernel, np.clip(taps, 0, size - 1), axis=1) * used[..., np.newaxis, np.newaxis]
    taps = tf.transpose(taps, (0, 1, 3, 2, 4))  # k, source, C, target, C
    side = _BLOCK * channels
    return tf.reshape(taps, (size, 2 * wide_radius + 1, side, side))
