"""The signatures of an exported model.

There is one set per view, named after it; which ones are in it is for its modality to say. All are
in inference mode and answer `embedding` (B, D), float32, and the end points that were asked for, such as
`stage_3` (B, T, h, w, C). Those of the package take any batch size, length and frame size that the
backbone takes:

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

from brave_tf import modality_registry as modalities
from brave_tf.data.views.base import View
from brave_tf.models.endpoints import endpoints

FAR_OUT = 10.0  # What overshoots a little is let through, and what is in [0, 255] is not.

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

    return modalities.find(view.modality).signatures(name, view, sizes, embed)


def traced(function: Embed, argument: tf.TensorSpec) -> tf.types.experimental.PolymorphicFunction:
    """Returns a function of one argument as a signature, which refuses what is not of its shape."""

    def shaped(values: tf.Tensor) -> dict[str, tf.Tensor]:
        # A loaded signature does not look at the shape of what it is given.
        return function(tf.ensure_shape(values, argument.shape))

    return tf.function(shaped, input_signature=[argument], autograph=False)


def checked(values: tf.Tensor, name: str, expected: str, most: float, far: str) -> tf.Tensor:
    """Returns float values as they are, once none is NaN, infinite or beyond `most`.

    Args:
      values: what a signature is given.
      name: of the argument.
      expected: what it should be, for messages.
      most: the highest absolute value that is let through.
      far: what is said of higher ones.

    Raises:
      tf.errors.InvalidArgumentError: when run, for other values.
    """
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
