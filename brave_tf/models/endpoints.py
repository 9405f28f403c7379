"""The intermediate results of a backbone, by name."""

from __future__ import annotations

import re
from collections.abc import Sequence

import tensorflow as tf

from brave_tf.errors import UserError, did_you_mean
from brave_tf.models.temporal import UnfoldTime


def endpoints(model: tf.keras.Model, names: Sequence[str]) -> tf.keras.Model:
    """The model from a backbone's input to some of its end points.

    It shares the weights of the backbone. Convolutional end points of clips are
    (B, T', h, w, C), also where the backbone works on frames (B*T, h, w, C).

    Args:
      model: a backbone.
      names: `stem`, `stage_1`, `stage_2`, ..., `last_conv`, `embedding`, or any other layer.

    Returns:
      A model that answers a dict: name -> tensor.

    Raises:
      UserError: no name, or one that no layer has.
    """
    layers = {layer.name: layer for layer in model.layers}
    known = endpoint_names(model)
    unknown = [name for name in names if name not in layers]
    if unknown or not names:
        given = repr(unknown[0]) if unknown else "an empty list"
        hint = did_you_mean(unknown[0], layers) if unknown else ""
        raise UserError(
            f"end point {given} of {model.name}: expected some of {', '.join(known)}.{hint}"
        )
    return tf.keras.Model(
        model.input,
        {name: _of_clips(layers[name].output, model.input, name) for name in names},
        name=f"{model.name}_endpoints",
    )


def endpoint_names(model: tf.keras.Model) -> list[str]:
    """The names of a backbone's end points, from its input to its output."""
    pattern = r"stem|stage_\d+|last_conv|embedding"
    return [layer.name for layer in model.layers if re.fullmatch(pattern, layer.name)]


def _of_clips(x: tf.Tensor, clips: tf.Tensor, name: str) -> tf.Tensor:
    if clips.shape.rank == 5 and x.shape.rank == 4:
        return UnfoldTime(name=f"{name}_of_clips", autocast=False)([x, clips])
    return x
