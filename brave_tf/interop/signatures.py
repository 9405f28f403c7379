"""The signatures of an exported model.

There is one set per view, named after it. All are float32, in inference mode, answer `embedding`
(B, D) and the end points that were asked for, such as `stage_3` (B, T, h, w, C), and take any batch
size, length and frame size that the backbone takes:

* rgb and flow, `<view>`: `video` float32 (B, T, H, W, C), rgb in [0, 1], flow (u, v) in [-1, 1];
  values far beyond, such as those of bytes, are an error.
* rgb and flow, `<view>_uint8`: `video` uint8. rgb (B, T, H, W, 3) is divided by 255; flow
  (B, T, H, W, 2 or more) is what clip records hold: u, v from -bound to +bound pixels.
* rgb and flow, `<view>_frames`: like `_uint8`, but first the shorter side is resized to the view's
  size, which scales displacements too, and the centre square is cut out.
* audio, `<view>`: `pcm` float32 (B, N) in [-1, 1] at the view's sample rate, 0.1 s or longer.
* audio, `<view>_spectrogram`: `spectrogram` float32 (B, frames, bins), the log-mel of the view.

No clip, B = 0, has no embedding: (0, D). NaN, infinity, values far beyond the range and inputs without
frames or pixels are an error (InvalidArgument) that says which of these it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, Optional

import tensorflow as tf

from brave_tf.data.views import frames
from brave_tf.data.views.base import View
from brave_tf.errors import UserError
from brave_tf.models.endpoints import endpoints

MIN_AUDIO_SECONDS = 0.1
FAR_OUT = 10.0  # What overshoots a little is let through, and what is in [0, 255] is not.
# Log-mels are far from this in either direction, samples of 16 bits and most magnitudes are not.
FAR_OUT_LOG_MEL = 100.0
_RANGES = {"rgb": "rgb in [0, 1]", "flow": "flow in [-1, 1]"}

Signatures = dict[str, tf.types.experimental.PolymorphicFunction]
Sizes = Sequence[Optional[int]]  # those of the backbone's input that it leaves open are None
Embed = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def view_signatures(
    name: str, view: View, backbone: tf.keras.Model, end_points: Sequence[str] = ()
) -> Signatures:
    """Returns the signatures of one view by name; see the module.

    Args:
      name: of the view.
      view: its modality, size, channels and spectrogram.
      backbone: model from (B, *window) to (B, D).
      end_points: what to answer besides the embedding; see `endpoints.endpoints`.

    Raises:
      UserError: for a view of a modality that has no signatures, or an end point that the backbone
        does not have.
    """
    outputs = endpoints(backbone, end_points).output if end_points else {}
    model = tf.keras.Model(backbone.input, {**outputs, "embedding": backbone.output})
    sizes = backbone.input_shape[1:]

    def embed(values: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.ensure_shape(values, (None, *sizes))
        clips = tf.shape(values)[0]
        # Layers that reshape cannot do without a clip.
        missing = [[0, tf.cast(clips == 0, tf.int32)], *([[0, 0]] * len(sizes))]
        answers = model(tf.ensure_shape(tf.pad(values, missing), (None, *sizes)), training=False)
        return {key: tf.cast(answer, tf.float32)[:clips] for key, answer in answers.items()}

    if view.modality == "audio":
        return _audio_signatures(name, view, sizes, embed)
    if view.modality in ("rgb", "flow"):
        return _video_signatures(name, view, sizes, embed)
    raise UserError(
        f"view {name!r} has the modality {view.modality!r}, for which no signature is known: only "
        "rgb, flow and audio can be exported."
    )


def _video_signatures(name: str, view: View, sizes: Sizes, embed: Embed) -> Signatures:
    length, height, width, _ = sizes
    # Records keep flow in the first channels of colour images.
    stored_channels = None if view.modality == "flow" else view.channels
    values = tf.TensorSpec((None, length, height, width, view.channels), tf.float32, "video")
    pixels = tf.TensorSpec((None, length, height, width, stored_channels), tf.uint8, "video")
    frames_of_any_size = tf.TensorSpec(
        (None, length, None, None, stored_channels), tf.uint8, "video"
    )

    def of_values(video: tf.Tensor) -> dict[str, tf.Tensor]:
        expected = _RANGES[view.modality]
        advice = f"for what is in [0, 255] there are {name}_uint8 and {name}_frames"
        far = f"values far beyond 1: expected {expected}; {advice}"
        return embed(_checked(_not_empty(video), "video", expected, FAR_OUT, far))

    def of_pixels(video: tf.Tensor) -> dict[str, tf.Tensor]:
        return embed(_decode(_stored_channels(video, view), view))

    def of_frames(video: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels, scale = _resize_and_crop(_stored_channels(video, view), view.size)
        values = _decode(pixels, view)
        if view.modality == "flow":
            values = tf.clip_by_value(values * scale, -1.0, 1.0)
        return embed(values)

    functions = {
        name: (of_values, values),
        f"{name}_uint8": (of_pixels, pixels),
        f"{name}_frames": (of_frames, frames_of_any_size),
    }
    return {key: _traced(function, spec) for key, (function, spec) in functions.items()}


def _audio_signatures(name: str, view: View, sizes: Sizes, embed: Embed) -> Signatures:
    least = round(MIN_AUDIO_SECONDS * view.sample_rate)

    def of_pcm(pcm: tf.Tensor) -> dict[str, tf.Tensor]:
        long_enough = tf.debugging.assert_greater_equal(
            tf.shape(pcm)[1],
            least,
            f"pcm is shorter than {MIN_AUDIO_SECONDS} s: at least {least} samples are needed at "
            f"{view.sample_rate} Hz",
        )
        far = "values far beyond 1: expected [-1, 1]; divide samples of 16 bits by 32768"
        with tf.control_dependencies([long_enough]):
            pcm = _checked(pcm, "pcm", "samples in [-1, 1]", FAR_OUT, far)
        return embed(view.log_mel(pcm))

    def of_spectrogram(spectrogram: tf.Tensor) -> dict[str, tf.Tensor]:
        expected = f"the log-mel of the view, or pcm to the signature {name}"
        far = f"values far beyond those of a log-mel: expected {expected}"
        some = tf.debugging.assert_positive(
            tf.shape(spectrogram)[1], "spectrogram holds no frames: expected (B, frames, bins)"
        )
        with tf.control_dependencies([some]):
            values = _checked(spectrogram, "spectrogram", expected, FAR_OUT_LOG_MEL, far)
        return embed(values)

    spectrogram = (None, sizes[0], view.log_mel.mel_bins)
    spectrogram = tf.TensorSpec(spectrogram, tf.float32, "spectrogram")
    return {
        name: _traced(of_pcm, tf.TensorSpec((None, None), tf.float32, "pcm")),
        f"{name}_spectrogram": _traced(of_spectrogram, spectrogram),
    }


def _traced(function: Embed, argument: tf.TensorSpec) -> tf.types.experimental.PolymorphicFunction:
    def checked(values: tf.Tensor) -> dict[str, tf.Tensor]:
        # A loaded signature does not look at the shape of what it is given.
        return function(tf.ensure_shape(values, argument.shape))

    return tf.function(checked, input_signature=[argument], autograph=False)


def _checked(values: tf.Tensor, name: str, expected: str, most: float, far: str) -> tf.Tensor:
    """Returns float values as they are, once none is NaN, infinite or beyond `most`."""
    # Each by itself: what a maximum of NaN is depends on the library that computes it.
    checks = (
        (tf.math.is_nan(values), f"{name} holds NaN: expected {expected}"),
        (tf.math.is_inf(values), f"{name} holds infinite values: expected {expected}"),
        (tf.abs(values) > most, f"{name} holds {far}"),
    )
    for found, message in checks:
        refused = tf.debugging.assert_equal(tf.reduce_any(found), False, message)
        with tf.control_dependencies([refused]):
            values = tf.identity(values)
    return values


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


def _stored_channels(video: tf.Tensor, view: View) -> tf.Tensor:
    enough = tf.debugging.assert_greater_equal(
        tf.shape(video)[-1],
        view.channels,
        f"video has too few channels: expected {view.channels} or more",
    )
    with tf.control_dependencies([enough]):
        video = _not_empty(video)
    return tf.ensure_shape(video[..., : view.channels], (None, None, None, None, view.channels))


def _decode(pixels: tf.Tensor, view: View) -> tf.Tensor:
    """Pixels in [0, 255], as clip records store them -> the view's values; the inverse of
    `round((u + bound) * 255 / (2 * bound))` in units of bound for flow."""
    pixels = tf.cast(pixels, tf.float32)
    if view.modality == "flow":
        return pixels * (2.0 / 255.0) - 1.0
    return pixels * (1.0 / 255.0)


def _resize_and_crop(video: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales the shorter side to `size` and cuts out the centre, as the views' test crops do.

    Args:
      video: (B, T, H, W, C) uint8.
      size: of the result.

    Returns:
      (B, T, size, size, C) float32 in the range of `video`, and (2,) float32, the factors by which
      width and height were scaled.
    """
    channels = video.shape[-1]
    batch, length, height, width, _ = tf.unstack(tf.shape(video))
    new_height, new_width = frames.resized_shape(height, width, size)
    images = tf.reshape(video, (batch * length, height, width, channels))
    images = tf.image.resize(images, (new_height, new_width))
    images = images[:, (new_height - size) // 2 :, (new_width - size) // 2 :][:, :size, :size]
    scale = tf.cast(tf.stack([new_width / width, new_height / height]), tf.float32)
    return tf.reshape(images, (batch, length, size, size, channels)), scale
