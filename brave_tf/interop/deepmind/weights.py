"""Weights between Keras models and DeepMind's BraVe code, whose parameters live in Haiku modules.

Parameters and batch normalisation statistics are two collections, `params` and `state`: module path
-> array name -> array. Nothing is lost in either direction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.norm import BatchNorm
from brave_tf.models.spectrogram import AsImage
from brave_tf.models.temporal import TemporalShift
from brave_tf.objectives.base import NARROW
from brave_tf.objectives.brave import BraVe

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


class Slot(NamedTuple):
    """Where a variable is kept in a checkpoint.

    Attributes:
      collection: `params` or `state`.
      module: path of the Haiku module.
      name: of the array in it.
      axes: number of axes of the array there.
      variable: the Keras model's.
    """

    collection: str
    module: str
    name: str
    axes: int
    variable: tf.Variable

    @property
    def path(self) -> str:
        """Its name in a checkpoint, `module/name`."""
        return f"{self.module}/{self.name}"


def view_module(view: str) -> str:
    """The module that holds the backbone of a view."""
    return "narrow_video_embedding" if view == NARROW else f"{view}_embedding"


def parts(objective: BraVe) -> list[tuple[tf.keras.Model, str]]:
    """The backbones and heads of an objective, each with the module that holds it.

    Shared heads are in `shared_project`, as in the released code, others in `<view>_project`.
    """
    found = [(model, view_module(view)) for view, model in objective.backbones.items()]
    for view in [NARROW] if objective.shared else objective.backbones:
        module = "shared_project" if objective.shared else f"{view}_project"
        found.append((objective.projectors[view], f"{module}/projector"))
        found.append((objective.predictors[view], f"{module}/predictor"))
    return found


def load_haiku(model: tf.keras.Model, params: Arrays, state: Arrays, prefix: str) -> None:
    """Assigns every weight of `model` from a Haiku checkpoint.

    Args:
      model: a `tsm_resnet`, `audio_resnet`, `projector` or `predictor`.
      params: parameters, module path -> name -> array.
      state: batch normalisation statistics, module path -> name -> array. Without `hidden` and
        `counter` the averages start anew in the next training step.
      prefix: module that holds the model: `narrow_video_embedding`, `broad_video_embedding`,
        `broad_audio_embedding`, `shared_project/projector` or `shared_project/predictor`.

    Raises:
      UserError: the checkpoint has nothing under `prefix`, lacks an array, has one of another shape
        or has arrays that the model has no place for. No weight is changed then.
    """
    collections = {"params": params, "state": state}
    slots = slots_of(model, prefix)
    if not _names(params, prefix):
        known = sorted({module.split("/")[0] for module in params})
        raise UserError(f"the checkpoint has no module {prefix}: it has {', '.join(known)}.")
    values: dict[int, tuple[Slot, np.ndarray]] = {}
    for slot in slots:
        value = _fitting(_find(collections, slot, model), slot)
        _, other = values.setdefault(id(slot.variable), (slot, value))
        if not np.array_equal(value, other):
            raise UserError(
                f"the checkpoint's {slot.path} is {value}, but the other statistic's is {other}: both "
                "count the same updates."
            )
    for collection, arrays in collections.items():
        unused = _names(arrays, prefix) - {s.path for s in slots if s.collection == collection}
        if unused:
            raise UserError(
                f"{model.name} has no place for {len(unused)} of the checkpoint's arrays, such as "
                f"{min(unused)}: build the model that the checkpoint was made from."
            )
    for slot, value in values.values():
        slot.variable.assign(value)


def to_haiku(
    models: Iterable[tuple[tf.keras.Model, str]], dtype: np.typing.DTypeLike = np.float32
) -> tuple[Arrays, Arrays]:
    """Returns `params` and `state` of models.

    Args:
      models: each with the module that is to hold it.
      dtype: of the arrays.

    Raises:
      UserError: a model that the released code does not have.
    """
    collections = {"params": {}, "state": {}}
    for model, prefix in models:
        for slot in slots_of(model, prefix):
            value = slot.variable.numpy()
            value = value.astype(np.int32 if slot.name == "counter" else dtype, copy=False)
            value = value.reshape((1,) * (slot.axes - value.ndim) + value.shape)
            collections[slot.collection].setdefault(slot.module, {})[slot.name] = value
    return collections["params"], collections["state"]


def slots_of(model: tf.keras.Model, prefix: str) -> list[Slot]:
    """Where the variables of `model` are kept under the module `prefix`.

    The counter of updates has two places, with the mean and with the variance.

    Raises:
      UserError: a layer of the model that the released code does not have.
    """
    # Submodules are found wherever a model keeps them; their names are those of the plain model.
    kinds = (BatchNorm, tf.keras.layers.Conv2D, tf.keras.layers.Dense)
    layers = [layer for layer in model.submodules if isinstance(layer, kinds)]
    order = {weight.ref(): position for position, weight in enumerate(model.weights)}
    layers.sort(key=lambda layer: order[layer.weights[0].ref()])
    table = _table(model)
    slots = []
    for layer in layers:
        module = f"{prefix}/{_module(layer.name, table)}"
        if isinstance(layer, BatchNorm):
            slots += _norm_slots(layer, module, axes=2 if table is _HEAD else 4)
            continue
        for variable in layer.trainable_variables:
            name = "b" if variable.shape.rank == 1 else "w"
            slots.append(Slot("params", module, name, variable.shape.rank, variable))
    return slots


def _norm_slots(layer: BatchNorm, module: str, axes: int) -> list[Slot]:
    averaging = layer.averaging
    statistics = (
        ("mean_ema", layer.moving_mean, averaging.hidden_mean),
        ("var_ema", layer.moving_variance, averaging.hidden_variance),
    )
    slots = [
        Slot("params", module, "scale", axes, layer.gamma),
        Slot("params", module, "offset", axes, layer.beta),
    ]
    for name, average, hidden in statistics:
        path = f"{module}/~/{name}"
        slots += [
            Slot("state", path, "average", axes, average),
            Slot("state", path, "hidden", axes, hidden),
            Slot("state", path, "counter", 0, averaging.updates),
        ]
    return slots


def _table(model: tf.keras.Model) -> tuple[tuple[str, str], ...]:
    parts = list(model.submodules)
    if any(isinstance(part, TemporalShift) for part in parts):
        return _TSM_RESNET
    return _AUDIO_RESNET if any(isinstance(part, AsImage) for part in parts) else _HEAD


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


def _names(arrays: Arrays, prefix: str) -> set[str]:
    """Paths of all arrays under the module `prefix`."""
    modules = [module for module in arrays if module.startswith(f"{prefix}/")]
    return {f"{module}/{name}" for module in modules for name in arrays[module]}


def _find(collections: Mapping[str, Arrays], slot: Slot, model: tf.keras.Model) -> np.ndarray:
    module = collections[slot.collection].get(slot.module, {})
    if slot.name in module:
        return module[slot.name]
    if slot.name in ("hidden", "counter") and not {"hidden", "counter"} & set(module):
        return np.zeros(slot.variable.shape)
    raise UserError(
        f"the checkpoint has no {slot.collection} {slot.path}, which {model.name} needs: build the model "
        "that the checkpoint was made from."
    )


def _fitting(value: np.ndarray, slot: Slot) -> np.ndarray:
    """`value` without the broadcasting axes of Haiku's batch normalisation."""
    shape = tuple(slot.variable.shape)
    fitting = np.asarray(value)
    if len(shape) == 1 and fitting.size == max(fitting.shape, default=0):
        fitting = fitting.reshape(-1)
    if fitting.shape != shape:
        raise UserError(
            f"the checkpoint's {slot.path} has shape {np.shape(value)}, the model's "
            f"{slot.variable.name} {shape}: build the model with the checkpoint's depth, width "
            "multiplier and sizes."
        )
    return fitting
