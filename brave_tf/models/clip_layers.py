"""Convolutions and max pools over time and space, computed by two-dimensional kernels.

These take every dtype on every device. TensorFlow 2.15's own do not: on CPUs `MaxPool3D` has no
float16, and the bfloat16 weight gradient of `Conv3D` is wrong, with undefined values, for clips that
are shorter than the kernel. They are not slower.
"""

from __future__ import annotations

import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.point_conv import every_nth
from brave_tf.models.temporal import check_rank

layers = tf.keras.layers
register = tf.keras.utils.register_keras_serializable(package="brave_tf")

Size = tuple[int, int, int]  # time, height, width


@register
class ClipConv(layers.Conv3D):
    """`tf.keras.layers.Conv3D` with SAME padding and without bias."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """(B, T, H, W, C) and (t, h, w, C, D) -> (B, T / stride, ..., D), rounded up."""
        time, height, width = self.kernel_size
        stride, *steps = self.strides
        filters = kernel.shape[-1]
        if (height, width) == (1, 1):
            batch, length, *frame = _sizes(inputs)
            x = every_nth(tf.reshape(inputs, (batch * length, *frame)), steps)
            space, channels = _sizes(x)[1:3], frame[-1]
            x = tf.reshape(x, (batch, length, space[0] * space[1], channels))
            x = tf.nn.conv2d(x, kernel[:, :, 0], (stride, 1), self.edges(time, 1))
            return tf.reshape(x, (batch, _sizes(x)[1], *space, filters))
        x = inputs if time == 1 and stride == 1 else self._windows(inputs)
        batch, length, *frame = _sizes(x)
        x = tf.reshape(x, (batch * length, *frame))
        kernel = tf.transpose(kernel, (1, 2, 0, 3, 4))
        kernel = tf.reshape(kernel, (height, width, frame[-1], filters))
        x = tf.nn.conv2d(x, kernel, steps, self.edges(height, width))
        return tf.reshape(x, (batch, length, *_sizes(x)[1:]))

    def edges(self, *kernel: int) -> str | list[list[int]]:
        """Returns the padding of an image under a kernel, (height, width), as `tf.nn.conv2d` takes it."""
        del kernel
        return "SAME"

    def before(self, missing: int | tf.Tensor) -> int | tf.Tensor:
        """Returns how many of the zero frames that the windows need are put before the clip."""
        return missing // 2

    def _windows(self, clips: tf.Tensor) -> tf.Tensor:
        """The windows over time of the convolution, along the channels.

        (B, T, H, W, C) -> (B, T / stride, H, W, kernel * C), rounded up.
        """
        (length, *_), (stride, *_) = self.kernel_size, self.strides
        frames = _sizes(clips)[1]
        count = (frames + stride - 1) // stride
        span = (count - 1) * stride + 1
        missing = tf.maximum(span + length - 1 - frames, 0)
        before = self.before(missing)
        # Of frames that no window reaches, none are added.
        after = tf.maximum(missing - before, 0)
        padded = tf.pad(clips, [[0, 0], [before, after], [0, 0], [0, 0], [0, 0]])
        parts = [padded[:, first : first + span : stride] for first in range(length)]
        windows = tf.concat(parts, axis=-1)
        return tf.ensure_shape(windows, (clips.shape[0], _static(count), *clips.shape[2:4], None))


@register
class TorchClipConv(ClipConv):
    """`ClipConv` with k // 2 zeros on both sides for an odd kernel size k, as networks in PyTorch have them.

    SAME padding has one fewer before an even size that a stride halves.
    """

    def edges(self, *kernel: int) -> str | list[list[int]]:
        return [[0, 0], *([size // 2, size // 2] for size in kernel), [0, 0]]

    def before(self, missing: int | tf.Tensor) -> int | tf.Tensor:
        return self.kernel_size[0] // 2


@register
class ClipMaxPool(layers.Layer):
    """Max pool with SAME padding: (B, T, H, W, C) -> (B, T / stride, ..., C), rounded up.

    Args:
      window: frames, rows and columns of the window.
      strides: strides over them.
      **kwargs: those of `tf.keras.layers.Layer`.
    """

    def __init__(self, window: Size, strides: Size, **kwargs):
        super().__init__(**kwargs)
        self.window, self.strides = tuple(window), tuple(strides)

    def call(self, clips: tf.Tensor) -> tf.Tensor:
        check_rank(clips, 5, "clips (B, T, H, W, C)")
        batch, length, *frame = _sizes(clips)
        x = tf.reshape(clips, (batch * length, *frame))
        x = tf.nn.max_pool2d(x, self.window[1:], self.strides[1:], "SAME")
        height, width, channels = _sizes(x)[1:]
        if self.window[0] > 1 or self.strides[0] > 1:
            x = tf.reshape(x, (batch, length, height * width, channels))
            x = tf.nn.max_pool2d(x, (self.window[0], 1), (self.strides[0], 1), "SAME")
            length = _sizes(x)[1]
        return tf.reshape(x, (batch, length, height, width, channels))

    def get_config(self) -> dict:
        return {**super().get_config(), "window": self.window, "strides": self.strides}


_CONVS = {"same": ClipConv, "torch": TorchClipConv}


def conv(filters: int, kernel: Size, strides: Size, name: str, padding: str = "same") -> ClipConv:
    """A convolution without bias, He-normal weights (truncated, by fan-in).

    Args:
      filters: channels of the output.
      kernel: frames, rows and columns of the kernel.
      strides: strides over them.
      name: of the layer.
      padding: `same`, or `torch` for as many zeros before as after, see `TorchClipConv`.

    Raises:
      UserError: there is no such padding.
    """
    if padding not in _CONVS:
        raise UserError(f"padding = {padding!r}: expected one of {', '.join(_CONVS)}.")
    return _CONVS[padding](
        filters,
        kernel,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )


def _sizes(x: tf.Tensor) -> list[int | tf.Tensor]:
    """The shape, static where it is known."""
    dynamic = tf.shape(x)
    return [dynamic[i] if size is None else size for i, size in enumerate(x.shape)]


def _static(size: int | tf.Tensor) -> int | None:
    return size if isinstance(size, int) else None
