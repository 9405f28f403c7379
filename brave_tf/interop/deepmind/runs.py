"""Checkpoints of DeepMind's BraVe code become runs and exported models, and runs become checkpoints."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from collections.abc import Mapping

import gin
import tensorflow as tf

from brave_tf import config
from brave_tf.errors import ArgumentError, UserError
from brave_tf.interop import saved_model
from brave_tf.interop.deepmind import haiku_file
from brave_tf.interop.deepmind import recipe as released
from brave_tf.interop.deepmind.weights import load_haiku, parts, slots_of, to_haiku
from brave_tf.models.audio_resnet import audio_resnet
from brave_tf.models.tsm_resnet import tsm_resnet
from brave_tf.objectives.base import NARROW
from brave_tf.objectives.brave import BraVe
from brave_tf.training import checkpoints, recipe
from brave_tf.training.settings import Settings


@dataclasses.dataclass(frozen=True)
class Model:
    """A model with the weights of a checkpoint.

    Attributes:
      recipe: its views; gin is configured with it.
      backbones: as the checkpoint tells them, the narrow view's first.
      heads: where their heads come from.
      models: view -> backbone.
      objective: BraVe with these backbones; None without the narrow and a broad view.
      unused: module -> parameters (numbers) in it that have no place in the model.
    """

    recipe: recipe.Recipe
    backbones: list[released.Backbone]
    heads: released.Heads
    models: Mapping[str, tf.keras.Model]
    objective: BraVe | None
    unused: Mapping[str, int]

    @property
    def step(self) -> int:
        """Updates of the statistics of the first view."""
        slots = slots_of(self.models[self.backbones[0].view], "")
        return int(next(slot.variable for slot in slots if slot.name == "counter"))


def import_checkpoint(
    path: str, output: str, overwrite: bool = False
) -> tuple[Model, dict[str, tf.TensorSpec]]:
    """Makes an exported model of a checkpoint file, and a run if it has the narrow and a broad view.

    Leaves in `output` what `saved_model.export` does and, for a run, `checkpoints`. The step of the
    weights is the number of updates of the narrow view's statistics.

    Returns:
      The model, and the input of each signature of the SavedModel by name.

    Raises:
      UserError: a file that cannot be used, see `haiku_file.read`, a model whose arrays do not fit
        each other, or an `output` that may not be written to.
    """
    saved_model.check_output(output, overwrite)
    folder = pathlib.Path(output)
    if (folder / recipe.OPERATIVE_CONFIG_FILE).exists():
        raise ArgumentError(
            "output", output, "holds a run that brave_tf_train wrote. Name another folder."
        )
    checkpoint = haiku_file.read(path)
    tf.keras.mixed_precision.set_global_policy("float32")
    model = build(checkpoint)
    signatures = saved_model.export(
        model.models,
        model.recipe.views,
        output,
        config=gin.config_str(),
        step=model.step or None,
        overwrite=overwrite,
    )
    shutil.rmtree(folder / checkpoints.FOLDER, ignore_errors=True)  # Of an earlier import.
    if model.objective:
        checkpoints.save_weights(model.objective, output, model.step)
    return model, signatures


def build(checkpoint: haiku_file.Checkpoint) -> Model:
    """Builds the model of a checkpoint, under the global precision policy, and loads its weights.

    Raises:
      UserError: the checkpoint holds no backbone of BraVe, or arrays that do not fit each other.
    """
    backbones = released.backbones_of(checkpoint)
    heads = released.heads_of(checkpoint, backbones)
    config.load_config([], [released.gin_recipe(checkpoint, backbones, heads)])
    bound = recipe.bound(recipe.Recipe)
    objective = None
    if len(backbones) > 1 and backbones[0].view == NARROW:
        objective = bound.build(recipe.bound(Settings).seed)
    models = objective.backbones if objective else {b.view: _build(b) for b in backbones}
    pairs = [(models[backbone.view], backbone.module) for backbone in backbones]
    if objective:
        pairs += _head_pairs(objective, heads)
    for model, module in pairs:
        load_haiku(model, checkpoint.params, checkpoint.state, module)
    return Model(bound, backbones, heads, models, objective, _unused(checkpoint, pairs))


def export_checkpoint(
    model_dir: str, path: str, overwrite: bool = False, checkpoint: str = checkpoints.LAST
) -> None:
    """Writes a checkpoint of a run as a checkpoint file of DeepMind's code.

    Args:
      model_dir: folder of the run.
      path: file to write.
      overwrite: whether it may be there already.
      checkpoint: which one: `last`, `best` or a step.

    Raises:
      UserError: `model_dir` holds no run with a checkpoint, or one of a model that the released code
        does not have, or `path` exists and `overwrite` is False, or cannot be written.
    """
    if pathlib.Path(path).suffix != ".npy" or pathlib.Path(path).is_dir():
        raise ArgumentError("output", path, "name a .npy file.")
    if pathlib.Path(path).exists() and not overwrite:
        raise ArgumentError(
            "overwrite", overwrite, f"{path} exists. Name another file, or overwrite it."
        )
    loaded = recipe.load_run(model_dir, checkpoint=checkpoint)
    if not isinstance(loaded.objective, BraVe):
        raise UserError(
            f"{model_dir} was trained with {type(loaded.objective).__name__}: only runs of BraVe fit "
            "DeepMind's format."
        )
    params, state = to_haiku(parts(loaded.objective))
    settings = released.released_config(loaded.recipe.views, loaded.objective)
    haiku_file.write(path, haiku_file.Checkpoint(params, state, settings))


def _build(backbone: released.Backbone) -> tf.keras.Model:
    if backbone.builder == "audio_resnet":
        return audio_resnet(backbone.depth, backbone.width_multiplier)
    return tsm_resnet(backbone.depth, backbone.width_multiplier, channels=backbone.channels)


def _head_pairs(objective: BraVe, heads: released.Heads) -> list[tuple[tf.keras.Model, str]]:
    pairs = []
    for view, module in heads.modules.items():
        pairs.append((objective.projectors[view], f"{module}/projector"))
        pairs.append((objective.predictors[view], f"{module}/predictor"))
    return pairs[:2] if heads.shared else pairs


def _unused(
    checkpoint: haiku_file.Checkpoint, pairs: list[tuple[tf.keras.Model, str]]
) -> dict[str, int]:
    used = tuple(f"{module}/" for _, module in pairs)
    unused: dict[str, int] = {}
    for module, arrays in checkpoint.params.items():
        if not module.startswith(used):
            name = module.split("/")[0]
            count = sum(array.size for array in arrays.values())
            unused[name] = unused.get(name, 0) + count
    return dict(sorted(unused.items()))
