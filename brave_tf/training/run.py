"""A training run: from a recipe and records to checkpoints."""

from __future__ import annotations

import pathlib

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.data import pipeline
from brave_tf.data.dataset_info import DatasetInfo
from brave_tf.objectives.base import Objective
from brave_tf.training import recipe as recipe_lib
from brave_tf.training.checkpoints import Checkpoints
from brave_tf.training.monitors import RunMonitor
from brave_tf.training.settings import Settings
from brave_tf.training.strategy import distribute, make_strategy

OPERATIVE_CONFIG_FILE = "operative_config.gin"


def train(model_dir: str) -> bool:
    """Runs the configured recipe, from the newest checkpoint in `model_dir` if there is one.

    Leaves in `model_dir`: `config.gin` (what was bound), `operative_config.gin` (every value used),
    `checkpoints/` and `tensorboard/`.

    Returns:
      True when the run reached its last step, False when it was interrupted.

    Raises:
      UserError: for settings, data or checkpoints that cannot be used; data and settings are checked
        before anything is built.
    """
    settings = recipe_lib.bound(Settings)
    recipe = recipe_lib.bound(recipe_lib.Recipe)
    _check_data(settings, recipe)
    strategy = make_strategy(settings.batch_size)
    tf.keras.mixed_precision.set_global_policy(settings.precision)
    with strategy.scope():
        objective = recipe.build(settings.seed)
        objective.compile(optimizer=settings.optimizer(), jit_compile=settings.jit_compile)
    checkpoints = Checkpoints(objective, model_dir, settings.keep_checkpoints)
    step = checkpoints.restore()
    _write_config(model_dir, recipe_lib.CONFIG_FILE, gin.config_str())
    _write_config(model_dir, OPERATIVE_CONFIG_FILE, gin.operative_config_str())
    _announce(objective, settings, model_dir, step)
    if step >= settings.num_steps:
        return True
    monitor = RunMonitor(
        model_dir,
        checkpoints,
        num_steps=settings.num_steps,
        batch_size=settings.batch_size,
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
        held_out=_held_out(settings, recipe),
        held_out_batches=settings.held_out_batches,
    )
    monitor.write_text("config", gin.markdown(gin.operative_config_str()))
    objective.fit(
        distribute(strategy, _batches(settings, recipe, step)),
        steps_per_epoch=settings.num_steps - step,
        callbacks=[monitor],
        verbose=0,
    )
    return not monitor.interrupted


def _check_data(settings: Settings, recipe: recipe_lib.Recipe) -> None:
    info = DatasetInfo.load(settings.data_dir)
    info.check(settings.split, recipe.views)
    if settings.held_out_split:
        info.check(settings.held_out_split, recipe.views)


def _batches(settings: Settings, recipe: recipe_lib.Recipe, step: int) -> tf.data.Dataset:
    return pipeline.clip_dataset(
        settings.data_dir,
        settings.split,
        recipe.views,
        settings.batch_size,
        training=True,
        seed=settings.seed,
        start_batch=step,
    )


def _held_out(settings: Settings, recipe: recipe_lib.Recipe) -> tf.data.Dataset | None:
    if settings.held_out_split is None:
        return None
    # Drawn as in training; starting again gives the same batches, so that measurements can be compared.
    batches = pipeline.clip_dataset(
        settings.data_dir,
        settings.held_out_split,
        recipe.views,
        settings.batch_size,
        training=True,
        seed=settings.seed + 1,
    )
    return batches.take(settings.held_out_batches).repeat()


def _write_config(model_dir: str, name: str, text: str) -> None:
    path = pathlib.Path(model_dir) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise errors.UserError(
            f"{path} could not be written: {error}. Give a --model_dir on a disk with space and permission."
        ) from error


def _announce(objective: Objective, settings: Settings, model_dir: str, step: int) -> None:
    for view, backbone in objective.backbones.items():
        print(f"view {view}: {backbone.name}, {backbone.count_params():,} parameters")
    start = f"resuming {model_dir} at" if step else f"training {model_dir} from"
    print(
        f"{start} step {step} of {settings.num_steps}, batch {settings.batch_size}, "
        f"{settings.precision}; watch with: tensorboard --logdir {model_dir}",
        flush=True,
    )
