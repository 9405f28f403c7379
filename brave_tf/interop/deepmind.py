"""Loads the parameters of DeepMind's released BraVe checkpoints (Haiku) into Keras models.

A released checkpoint is `np.load(path, allow_pickle=True).item()`, a dict with `params` and `state`:
Haiku module path -> parameter name -> array.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from brave_tf.errors import UserError

Arrays = Mapping[str, Mapping[str, np.ndarray]]

# Keras layer name -> Haiku module path under the prefix, by kind of model; tried in this order.
_BLOCK = r"stage_(\d+)_block_(\d+)"
_TSM_RESNET = (
    (r"stem_conv", "TSMResNetV2/tsm_resnet_stem"),
    (r"last_norm", "TSMResNetV2/batch_norm"),
    (rf"{_BLOCK}_shortcut", "TSMResNetV2/tsm_resnet_unit_{0}/block_{1}/shortcut_conv"),
    (rf"{_BLOCK}_conv_(\d)", "TSMResNetV2/tsm_resnet_unit_{0}/block_{1}/conv_{2}"),
    (rf"{_BLOCK}_norm_0", "TSMResNetV2/tsm_resnet_unit_{0}/block_{1}/batch_norm"),
    (rf"{_BLOCK}_norm_(\d)", "TSMResNetV2/tsm_resnet_unit_{0}/block_{1}/batch_norm_{2}"),
)
_AUDIO_RESNET = (
    (r"stem_conv", "res_net_v2/~/initial_conv"),
    (r"last_norm", "res_net_v2/batch_norm"),
    (rf"{_BLOCK}_shortcut", "res_net_v2/~/block_group_{0}/block_{1}/~/shortcut_conv"),
    (rf"{_BLOCK}_conv_(\d)", "res_net_v2/~/block_group_{0}/block_{1}/~/conv_{2}"),
    (rf"{_BLOCK}_norm_0", "res_net_v2/~/block_group_{0}/block_{1}/batch_norm"),
    (rf"{_BLOCK}_norm_(\d)", "res_net_v2/~/block_group_{0}/block_{1}/batch_norm_{2}"),
)
_HEAD = ((r".*/(linear|linear_1|batch_norm|batch_norm_1)", "{0}"),)

# Keras weight name -> (collection, module suffix, Haiku name).
_WEIGHTS = {
    "kernel": ("params", "", "w"),
    "bias": ("params", "", "b"),
    "gamma": ("params", "", "scale"),
    "beta": ("params", "", "offset"),
    "moving_mean": ("state", "/~/mean_ema", "average"),
    "moving_variance": ("state", "/~/var_ema", "average"),
}


def load_haiku(model: tf.keras.Model, params: Arrays, state: Arrays, prefix: str) -> None:
    """Assigns every weight of `model` from a Haiku checkpoint.

    Args:
      model: a `tsm_resnet`, `audio_resnet`, `projector` or `predictor`.
      params: parameters, module path -> name -> array.
      state: batch normalisation statistics, module path -> name -> array; `average` is what is read.
      prefix: module that holds the model: `narrow_video_embedding`, `broad_video_embedding`,
        `broad_audio_embedding`, `shared_project/projector` or `shared_project/predictor`.

    Raises:
      UserError: the checkpoint has nothing under `prefix`, lacks an array, has one of another shape
        or has parameters that the model has no place for. No weight is changed then.
    """
    collections = {"params": params, "state": state}
    table = _table(params, prefix)
    values: list[tuple[tf.Variable, np.ndarray]] = []
    used = set()
    for layer in model.layers:
        for weight in layer.weights:
            module = f"{prefix}/{_module(layer.name, table)}"
            collection, suffix, name = _WEIGHTS[weight.name.split("/")[-1].split(":")[0]]
            value = collections[collection].get(module + suffix, {}).get(name)
            if value is None:
                raise UserError(
                    f"the checkpoint has no {collection} {module}{suffix}/{name} for the layer "
                    f"{layer.name} of {model.name}: build the model that the checkpoint was made from."
                )
            values.append((weight, _fitting(value, weight, f"{module}{suffix}/{name}")))
            used.add((module, name))
    unused = {
        (module, name)
        for module in params
        if module.startswith(f"{prefix}/")
        for name in params[module]
    } - used
    if unused:
        raise UserError(
            f"{model.name} has no place for {len(unused)} of the checkpoint's arrays, such as "
            f"{'/'.join(min(unused))}: build the model that the checkpoint was made from."
        )
    for weight, value in values:
        weight.assign(value)


def _table(params: Arrays, prefix: str) -> tuple[tuple[str, str], ...]:
    modules = [module for module in params if module.startswith(f"{prefix}/")]
    if not modules:
        known = sorted({module.split("/")[0] for module in params})
        raise UserError(f"the checkpoint has no module {prefix}: it has {', '.join(known)}.")
    kinds = {"TSMResNetV2": _TSM_RESNET, "res_net_v2": _AUDIO_RESNET}
    return kinds.get(modules[0][len(prefix) + 1 :].split("/")[0], _HEAD)


def _module(layer_name: str, table: tuple[tuple[str, str], ...]) -> str:
    for pattern, path in table:
        match = re.fullmatch(pattern, layer_name)
        if match:
            # Stages and blocks count from 1 in Keras and from 0 in Haiku; layers of a block from 0.
            groups = match.groups()
            return path.format(*(_zero_based(groups[:2]) + groups[2:]))
    raise UserError(f"the layer {layer_name} has no counterpart in a released BraVe checkpoint.")


def _zero_based(groups: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(int(g) - 1) if g.isdigit() else g for g in groups)


def _fitting(value: np.ndarray, weight: tf.Variable, path: str) -> np.ndarray:
    """`value` without the broadcasting axes of Haiku's batch normalisation."""
    shape = tuple(weight.shape)
    if len(shape) == 1:
        value = np.reshape(value, [-1]) if np.size(value) == max(np.shape(value)) else value
    if np.shape(value) != shape:
        raise UserError(
            f"the checkpoint's {path} has shape {np.shape(value)}, the model's {weight.name} {shape}: "
            "build the model with the checkpoint's depth, width multiplier and sizes."
        )
    return np.asarray(value)
