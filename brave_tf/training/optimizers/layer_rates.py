"""Learning rates by depth: what is nearer to the input learns more slowly."""

from __future__ import annotations

import os
import re

import tensorflow as tf

from brave_tf.errors import UserError, did_you_mean
from brave_tf.models.endpoints import endpoint_names
from brave_tf.training.optimizers.multipliers import plain_name

_STAGE_END = r"stem|stage_\d+"


def depth_multipliers(backbone: tf.keras.Model, decay: float) -> dict[str, float]:
    """Returns multipliers for an optimizer, see `Multipliers`, one for each depth of a backbone.

    Depths are what ends in the layers `stem`, `stage_1`, `stage_2`, ...; what follows the last stage belongs
    to it. The rate of the last is `decay` times that of the classifier, that of the one before it `decay`
    times less, and so on (the layer-wise decay of ELECTRA, Clark et al., ICLR 2020, by stage).

    Args:
      backbone: whose trainable variables get rates.
      decay: factor from one depth to the one before it, in (0, 1]; with 1 there are no multipliers.
    """
    if decay == 1:
        return {}
    parts = [sorted(map(plain_name, _variables(layers))) for layers in _parts(backbone)]
    names = [name for part in parts for name in part]
    deepest = len(parts) - 2
    return {
        _pattern(part, names): decay ** (deepest + 1 - min(index, deepest))
        for index, part in enumerate(parts)
        if part
    }


def freeze(backbone: tf.keras.Model, up_to: str) -> None:
    """Keeps the layers from the input up to an end point from learning.

    Their weights stay, and their batch normalisations are in inference mode.

    Raises:
      UserError: the backbone has no such end point, or nothing would be left to learn.
    """
    names = endpoint_names(backbone)
    if up_to not in names[:-1]:
        raise UserError(
            f"frozen_up_to = {up_to!r}: expected an end point of {backbone.name} before its output, one of "
            f"{', '.join(names[:-1])}.{did_you_mean(up_to, names)}"
        )
    for layer in backbone.layers:  # in topological order
        layer.trainable = False
        if layer.name == up_to:
            return


def _parts(backbone: tf.keras.Model) -> list[list[tf.keras.layers.Layer]]:
    """Returns the layers of each stage, the stem's first, and last what follows the last stage."""
    parts: list[list[tf.keras.layers.Layer]] = [[]]
    for layer in backbone.layers:  # in topological order
        parts[-1].append(layer)
        if re.fullmatch(_STAGE_END, layer.name):
            parts.append([])
    if len(parts) < 2:
        raise UserError(
            f"layer_decay: the backbone {backbone.name} has no layers called stem, stage_1, ... by which "
            "depth could be told; bind 1.0."
        )
    return parts


def _variables(layers: list[tf.keras.layers.Layer]) -> list[tf.Variable]:
    return [variable for layer in layers for variable in layer.trainable_variables]


def _pattern(names: list[str], all_names: list[str]) -> str:
    """Returns a regular expression that is found in `names` and in no other."""
    prefix = os.path.commonprefix(names)
    if prefix and sum(name.startswith(prefix) for name in all_names) == len(names):
        return f"^{re.escape(prefix)}"
    layers = dict.fromkeys(name.rpartition("/")[0] for name in names)
    return f"^({'|'.join(map(re.escape, layers))})/[^/]+$"
