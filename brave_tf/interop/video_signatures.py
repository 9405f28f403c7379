"""The signatures of views of frames, see `signatures`."""

from __future__ import annotations

from typing import Callable

import tensorflow as tf

from brave_tf.data.views import frames
from brave_tf.data.views.video import VideoView
from brave_tf.interop.signatures import FAR_OUT, Embed, Signatures, Sizes, checked, traced

VALUE_OF_PIXEL = 1.0 / 255.0


def video_signatures(
    name: str,
    view: VideoView,
    sizes: Sizes,
    embed: Embed,
    *,
    expected: str,
    decode: Callable[[tf.Tensor], tf.Tensor],
    stored_channels: int | None,
    resized: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = lambda values, scale: values,
) -> Signatures:
    """Returns the signatures `name`, `<name>_uint8` and `<name>_frames`.

    Args:
      name: of the view.
      view: its size, channels and region, whether it makes frames square, and the mean and deviation by which
        values are normalised last.
      sizes: of the backbone's input, without the batch: (T, H, W, C), None for those that it leaves open.
      embed: (B, T, H, W, C) float32 -> what signatures answer.
      expected: the values of the view, for messages.
      decode: from pixels in [0, 255], float32, as clip records store them, to the view's values.
      stored_channels: that records have; None for any number, of which the view has the first.
      resized: from such values and (2,) float32, by what width and height were scaled, to those of a picture
        so scaled.
    """
    length, height, width, _ = sizes
    values = tf.TensorSpec((None, length, height, width, view.channels), tf.float32, "video")
    pixels = tf.TensorSpec((None, length, height, width, stored_channels), tf.uint8, "video")
    frames_of_any_size = tf.TensorSpec(
        (None, length, None, None, stored_channels), tf.uint8, "video"
    )

    def embed_normalised(video: tf.Tensor) -> dict[str, tf.Tensor]:
        return embed(view.normalised(video))

    def of_values(video: tf.Tensor) -> dict[str, tf.Tensor]:
        advice = f"for what is in [0, 255] there are {name}_uint8 and {name}_frames"
        far = f"values far beyond 1: expected {expected}; {advice}"
        return embed_normalised(checked(_not_empty(video), "video", expected, FAR_OUT, far))

    def of_pixels(video: tf.Tensor) -> dict[str, tf.Tensor]:
        return embed_normalised(decode(tf.cast(_stored_channels(video, view), tf.float32)))

    def of_frames(video: tf.Tensor) -> dict[str, tf.Tensor]:
        seen = _region(_stored_channels(video, view), view)
        pixels, scale = _resize_and_crop(seen, view)
        return embed_normalised(resized(decode(pixels), scale))

    functions = {
        name: (of_values, values),
        f"{name}_uint8": (of_pixels, pixels),
        f"{name}_frames": (of_frames, frames_of_any_size),
    }
    return {key: traced(function, spec) for key, (function, spec) in functions.items()}


def _not_empty(video: tf.Tensor) -> tf.Tensor:
    """Returns (B, T, H, W, C) as it is, once there are frames and pixels."""
    _, length, height, width, _ = tf.unstack(tf.shape(video))
    checks = (
        (length, "video holds no frames, T = 0"),
        (height * width, "video holds frames of no pixels, H = 0 or W = 0"),
    )
    for size, message in checks:
        some = tf.debugging.assert_positive(size, f"{message}: expected (B, T, H, W, C)")
        with tf.control_dependencies([some]):
            video = tf.identity(video)
    return video


def _stored_channels(video: tf.Tensor, view: VideoView) -> tf.Tensor:
    enough = tf.debugging.assert_greater_equal(
        tf.shape(video)[-1],
        view.channels,
        f"video has too few channels: expected {view.channels} or more",
    )
    with tf.control_dependencies([enough]):
        video = _not_empty(video)
    return tf.ensure_shape(video[..., : view.channels], (None, None, None, None, view.channels))


def _region(video: tf.Tensor, view: VideoView) -> tf.Tensor:
    """Returns what the view sees of (B, T, H, W, C) frames."""
    if view.region is None:
        return video
    height, width = tf.unstack(tf.shape(video)[2:4])
    top, left, height, width = frames.region_window(height, width, view.region)
    return video[:, :, top : top + height, left : left + width]


def _resize_and_crop(video: tf.Tensor, view: VideoView) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales the shorter side to the view's size and cuts out the centre, as the views' test crops do.

    Args:
      video: (B, T, H, W, C) uint8.
      view: whose size the result has, and whether frames are made square first.

    Returns:
      (B, T, size, size, C) float32 in the range of `video`, and (2,) float32, the factors by which
      width and height were scaled.
    """
    channels, size = video.shape[-1], view.size
    batch, length, height, width, _ = tf.unstack(tf.shape(video))
    new_height, new_width = view.resized_shape(height, width, size)
    images = tf.reshape(video, (batch * length, height, width, channels))
    images = tf.image.resize(images, (new_height, new_width))
    images = images[:, (new_height - size) // 2 :, (new_width - size) // 2 :][:, :size, :size]
    scale = tf.cast(tf.stack([new_width / width, new_height / height]), tf.float32)
    return tf.reshape(images, (batch, length, size, size, channels)), scale
