"""The folder of a run of `tiny_run` as training leaves it, without the training."""

from __future__ import annotations

import pathlib

import gin
import tensorflow as tf
import tiny_run

from brave_tf import config
from brave_tf.training import checkpoints, recipe

STEP = 2


def change_weights(model_dir: pathlib.Path, factor: float) -> None:
    """Puts other weights in the place of a run's checkpoint, as a run trained anew in the folder does."""
    objective = recipe.load_run(str(model_dir)).objective
    for weight in objective.weights:
        if weight.dtype.is_floating:
            weight.assign(weight * factor)
    checkpoints.save_weights(objective, str(model_dir), STEP)


def write_run(folder: pathlib.Path) -> pathlib.Path:
    """Writes `folder/records` and `folder/model`, a run with a checkpoint of random weights.

    The weights, those of normalisations too, are not those of the run's initialisation.

    Returns:
      The folder of the run.
    """
    path = tiny_run.write_recipe(folder, tiny_run.write_records(folder / "records"))
    config.load_config([str(path)])
    objective = recipe.Recipe().build(seed=1)
    for index, weight in enumerate(objective.weights):
        if weight.dtype.is_floating:
            noise = tf.random.stateless_uniform(weight.shape, (3, index), 0.8, 1.2)
            weight.assign(weight * noise + 0.05 * (noise - 1))
    model_dir = folder / "model"
    checkpoints.save_weights(objective, str(model_dir), STEP)
    (model_dir / recipe.CONFIG_FILE).write_text(gin.config_str())
    return model_dir
