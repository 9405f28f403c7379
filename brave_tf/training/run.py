"""A training run: from a recipe and records to checkpoints."""

from __future__ import annotations

import contextlib

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.data import pipeline
from brave_tf.data.attempts import SkippedClips, user_errors
from brave_tf.data.source import open_source
from brave_tf.objectives.base import Objective
from brave_tf.training import recipe as recipe_lib
from brave_tf.training.checkpoints import Checkpoints, SaveError
from brave_tf.training.interruption import Interruption
from brave_tf.training.monitors import RunMonitor
from brave_tf.training.resumption import resume, sole_owner, write_configs
from brave_tf.training.settings import Settings
from brave_tf.training.strategy import distribute, make_strategy


def train(
    model_dir: str, allow_changes: bool = False, interruption: Interruption | None = None
) -> bool:
    """Runs the configured recipe, from the newest checkpoint in `model_dir` if there is one.

    Leaves in `model_dir`: `config.gin` (what was bound), `operative_config.gin` (every value used),
    `checkpoints/` and `tensorboard/`. The last line tells how many clips could not be read, and names some.

    Args:
      model_dir: folder of the run; no other process may train in it.
      allow_changes: resume although bindings differ that change what the saved state means or what is
        learned, such as the optimizer's.
      interruption: what asks the run to stop, inside its `with`; None for SIGINT and SIGTERM during the call.

    Returns:
      True when the run reached its last step, False when it was interrupted.

    Raises:
      UserError: for settings, data or checkpoints that cannot be used; data and settings are checked
        before anything is built. When too many clips cannot be read, see `SkippedClips`, after a last
        checkpoint.
    """
    settings = recipe_lib.bound(Settings)
    recipe = recipe_lib.bound(recipe_lib.Recipe)
    _check_data(settings, recipe)
    with contextlib.ExitStack() as stack:
        interruption = interruption or stack.enter_context(Interruption())
        stack.enter_context(sole_owner(model_dir))
        return _train(settings, recipe, model_dir, allow_changes, interruption)


def _train(
    settings: Settings,
    recipe: recipe_lib.Recipe,
    model_dir: str,
    allow_changes: bool,
    interruption: Interruption,
) -> bool:
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
        # Otherwise the state of dropout is hidden in operations, and lost with the process.
        tf.keras.backend.experimental.enable_tf_random_generator()
    strategy = make_strategy(settings.batch_size)
    tf.keras.mixed_precision.set_global_policy(settings.precision)
    with strategy.scope():
        objective = recipe.build(settings.seed)
        objective.compile(optimizer=settings.optimizer(), jit_compile=settings.jit_compile)
    checkpoints = Checkpoints(objective, model_dir, settings.keep_checkpoints, settings.keep_every)
    saved_step = checkpoints.newest_step()
    step = saved_step or 0
    skipped, held_out_skipped = SkippedClips(), SkippedClips()
    batches = distribute(strategy, _batches(settings, recipe, step, skipped))
    held_out = _held_out(settings, recipe, held_out_skipped)
    resume(checkpoints, model_dir, saved_step, allow_changes)
    write_configs(model_dir)
    _announce(objective, settings, model_dir, step)
    if step >= settings.num_steps:
        return True
    checkpoints.check_space()
    monitor = RunMonitor(
        model_dir,
        checkpoints,
        interruption,
        num_steps=settings.num_steps,
        batch_size=settings.batch_size,
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
        skipped=skipped,
        held_out=held_out,
        held_out_batches=settings.held_out_batches,
    )
    monitor.write_text("config", gin.markdown(gin.operative_config_str()))
    try:
        with user_errors():
            objective.fit(
                batches,
                steps_per_epoch=settings.num_steps - step,
                callbacks=[monitor],
                verbose=0,
            )
    except SaveError:
        raise
    except errors.UserError:
        checkpoints.save()
        raise
    print(f"input: {skipped.summary()}", flush=True)
    if held_out_skipped.count:
        print(f"held-out input: {held_out_skipped.summary()}", flush=True)
    complete = objective.step >= settings.num_steps
    if not complete and interruption.exit_code is None:
        # Keras takes some errors for the end of the input, and goes on.
        raise errors.UserError(
            f"the run ended early, after step {objective.step} of {settings.num_steps}; the messages above "
            "may say why. Start the same command again to resume from the last checkpoint."
        )
    return complete


def _check_data(settings: Settings, recipe: recipe_lib.Recipe) -> None:
    source = open_source(settings.data_dir)
    source.check(settings.split, recipe.views)
    if settings.held_out_split:
        source.check(settings.held_out_split, recipe.views)


def _batches(
    settings: Settings, recipe: recipe_lib.Recipe, step: int, skipped: SkippedClips
) -> tf.data.Dataset:
    return pipeline.clip_dataset(
        settings.data_dir,
        settings.split,
        recipe.views,
        settings.batch_size,
        training=True,
        seed=settings.seed,
        start_batch=step,
        skipped=skipped,
        service=settings.data_service,
    )


def _held_out(
    settings: Settings, recipe: recipe_lib.Recipe, skipped: SkippedClips
) -> tf.data.Dataset | None:
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
        skipped=skipped,
    )
    return batches.take(settings.held_out_batches).repeat()


def _announce(objective: Objective, settings: Settings, model_dir: str, step: int) -> None:
    for view, backbone in objective.backbones.items():
        print(f"view {view}: {backbone.name}, {backbone.count_params():,} parameters")
    start = f"resuming {model_dir} at" if step else f"training {model_dir} from"
    print(
        f"{start} step {step} of {settings.num_steps}, batch {settings.batch_size}, "
        f"{settings.precision}; watch with: tensorboard --logdir {model_dir}",
        flush=True,
    )
