"""Gaussian blur."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.data.augment.base import with_probability
from brave_tf.data.kernels import library
from brave_tf.errors import UserError

BORDERS = ("zero", "edge")

_REACH = 5.0  # In sigmas.
# Frames that become channels of one image: so many are put there and back fast.
_TOGETHER = 16


@gin.configurable
def gaussian_blur(
    video: tf.Tensor,
    seed: tf.Tensor,
    probability: float = 1.0,
    sigma: tuple[float, float] = (0.1, 2.0),
    kernel_size: int | None = None,
    border: str = "zero",
) -> tf.Tensor:
    """Blurs all frames with the same sigma. The defaults are those of the released BraVe code.

    Args:
      video: (T, H, W, C) float32.
      seed: (2,) int32.
      probability: of a blur.
      sigma: range in pixels.
      kernel_size: taps of the kernel, one more if even; None: a tenth of the width.
      border: what is around the frames: `zero`, or the values at their `edge` (as with Pillow, by which CoCLR
        and rho-BYOL blur; its kernels are not cut off: give 6 sigma or more).

    Raises:
      UserError: there is no such border, or `sigma` is no range above 0.
    """
    if border not in BORDERS:
        raise UserError(f"gaussian_blur.border = {border!r}: expected one of {', '.join(BORDERS)}.")
    if not 0 < sigma[0] <= sigma[1]:
        raise UserError(f"gaussian_blur.sigma = {sigma}: expected a range of pixels above 0.")
    size = video.shape[2] // 10 if kernel_size is None else kernel_size

    def blur(video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        drawn = tf.random.stateless_uniform((), seed, minval=sigma[0], maxval=sigma[1])
        return apply_blur(video, drawn, size, border)

    return with_probability(probability, seed, video, blur)


def apply_blur(
    video: tf.Tensor, sigma: tf.Tensor, kernel_size: int, border: str = "zero"
) -> tf.Tensor:
    """Blurs (T, H, W, C) frames.

    Args:
      video: (T, H, W, C) float32.
      sigma: () float32, pixels, above 0.
      kernel_size: taps of the kernel, one more if even.
      border: `zero` or `edge`, what is around the frames.
    """
    radius = kernel_size // 2
    if radius == 0:
        return video
    if border == "edge":
        height, width = video.shape[1:3]
        blurred = apply_blur(_with_edges(video, radius), sigma, kernel_size)
        return blurred[:, radius : radius + height, radius : radius + width]
    offsets = tf.range(-radius, radius + 1, dtype=tf.float32)
    taps = tf.nn.softmax(-tf.square(offsets) / (2.0 * tf.square(sigma)))
    # Taps further out than this add up to less than the rounding of the others.
    reach = tf.minimum(radius, tf.cast(tf.math.ceil(_REACH * sigma), tf.int32))
    taps = taps[radius - reach : radius + reach + 1]
    if compiled := library.operations():
        return compiled.brave_tf_blur_frames(video, taps)
    frames, height, width, channels = video.shape
    together = _TOGETHER if frames % _TOGETHER == 0 else frames
    groups = tf.reshape(video, (frames // together, together, height * width * channels))
    images = tf.reshape(tf.transpose(groups, (0, 2, 1)), (-1, height, width, channels * together))
    columns = tf.reshape(_convolve(images, taps), (frames // together, -1, together))
    return tf.reshape(tf.transpose(columns, (0, 2, 1)), video.shape)


def _with_edges(video: tf.Tensor, radius: int) -> tf.Tensor:
    """Returns frames with their first and last rows and columns repeated around them."""
    for axis in (1, 2):
        last = video.shape[axis] - 1
        places = tf.clip_by_value(tf.range(-radius, last + radius + 1), 0, last)
        video = tf.gather(video, places, axis=axis)
    return video


def _convolve(images: tf.Tensor, taps: tf.Tensor) -> tf.Tensor:
    """Convolves columns and rows with (k,) taps: a depthwise convolution, fast only with many channels."""
    for shape in ((1, -1, 1, 1), (-1, 1, 1, 1)):
        kernel = tf.tile(tf.reshape(taps, shape), (1, 1, images.shape[3], 1))
        images = tf.nn.depthwise_conv2d(images, kernel, (1, 1, 1, 1), "SAME")
    return images
