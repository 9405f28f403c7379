"""A training run: from a recipe and records to checkpoints."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import types
from collections.abc import Mapping

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.data.sources.attempts import user_errors
from brave_tf.data.views.in_step import finish_views
from brave_tf.objectives.base import Objective
from brave_tf.objectives.state import State
from brave_tf.training import recipe as recipe_lib
from brave_tf.training.agreement import check_agreement, check_same_rows
from brave_tf.training.callbacks import StepCallbacks
from brave_tf.training.checkpoints import Checkpoints, SaveError
from brave_tf.training.initial_weights import Part, load_initial
from brave_tf.training.input_wait import InputWait, StoppedWaitingError, undone_unless_whole
from brave_tf.training.inputs import Inputs
from brave_tf.training.interruption import Interruption, SharedInterruption
from brave_tf.training.monitors.further import MonitorError
from brave_tf.training.monitors.non_finite import NonFiniteError
from brave_tf.training.occasions import Occasions
from brave_tf.training.resumption import (
    TENSORBOARD,
    lost_if_resuming,
    name_run,
    resume,
    sole_owner,
    write_configs,
)
from brave_tf.training.run_monitor import RunMonitor
from brave_tf.training.settings import Settings
from brave_tf.training.strategy import check_compilation, check_division, make_strategy
from brave_tf.training.warning_count import WarningCount, counted_warnings
from brave_tf.training.workers import LostWorkerError, Workers, lost_workers, read_workers, total

# After these the state is saved already, or not whole.
_NOT_SAVED = (SaveError, LostWorkerError, NonFiniteError)


def train(
    model_dir: str,
    allow_changes: bool = False,
    interruption: Interruption | None = None,
    profile: tuple[int, int] | None = None,
    initial_parts: Mapping[str, Part] = types.MappingProxyType({}),
) -> bool:
    """Runs the configured recipe, from the newest checkpoint in `model_dir` if there is one.

    Leaves in `model_dir`: `config.gin` (what was bound), `operative_config.gin` (every value used),
    `run.json` (an id), `checkpoints/` and `tensorboard/`. The last lines sum up: steps and losses, what was
    warned about, and how many clips could not be read, with the names of some.

    Args:
      model_dir: folder of the run, which all its processes see under this name; no other run may train
        in it.
      allow_changes: resume although bindings differ that change what the saved state means or what is
        learned, such as the optimizer's.
      interruption: what asks the run to stop, inside its `with`; None for SIGINT, SIGTERM and
        SIGHUP during the call.
      profile: the first and the last step of which a profile trace is written; None for no trace.
      initial_parts: parts of other runs that it begins with, beside those of its settings.

    Returns:
      True when the run reached its last step, False when it was interrupted.

    Raises:
      UserError: for settings, data or checkpoints that cannot be used, or other settings in another process
        of the run; data and settings are checked
        before anything is built. When too many clips cannot be read, see `SkippedClips`, after a last
        checkpoint if this is the only process.
      NonFiniteError: the loss, a gradient or a weight is not finite; nothing is saved.
      MonitorError: a monitor of `train.monitors` has failed; after a last checkpoint if this is the only
        process.
      LostWorkerError: another process of the run has ended.
      LostInputError: the tf.data service or the storage of the clips does not answer any more; after a last
        checkpoint if this is the only process.
    """
    settings = recipe_lib.bound(Settings)
    workers = read_workers()
    with contextlib.ExitStack() as stack:
        interruption = interruption or stack.enter_context(Interruption())
        with interruption.at_once():
            strategy = make_strategy(settings.strategy, settings.tpu, workers)
        inputs = Inputs(settings, recipe_lib.bound(recipe_lib.Recipe))
        stack.enter_context(lost_if_resuming(model_dir))
        inputs.check()
        if workers.chief:
            stack.enter_context(sole_owner(model_dir))
        stack.enter_context(lost_workers(workers))
        check_agreement(strategy, workers)
        warnings = stack.enter_context(counted_warnings())
        shared = None
        if workers.several:
            agree = functools.partial(total, strategy, workers)
            shared = SharedInterruption(interruption, agree)
        wait = InputWait(interruption, settings.data_service, workers.several)
        complete = _train(
            inputs,
            strategy,
            workers,
            model_dir,
            allow_changes,
            shared or interruption,
            stack.enter_context(wait),
            profile,
            warnings,
            initial_parts,
        )
        if workers.several:
            # Those who are left would take the end of the first one for a loss.
            total(strategy, workers, [0])
        return complete


def build_objective(
    settings: Settings, recipe: recipe_lib.Recipe, strategy: tf.distribute.Strategy
) -> Objective:
    """Makes the objective of a run, with its optimizer. The precision stays that of the run.

    Raises:
      UserError: the parts of the recipe do not fit together, or its settings not the strategy.
    """
    check_division(strategy, settings.batch_size, settings.accumulate_steps)
    if settings.jit_compile:
        check_compilation(strategy)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
        # Otherwise the state of dropout is hidden in operations, and lost with the process.
        tf.keras.backend.experimental.enable_tf_random_generator()
    tf.keras.mixed_precision.set_global_policy(settings.precision)
    with strategy.scope():
        objective = recipe.build(settings.seed)
        objective.compile(
            settings.optimizer(), settings.accumulate_steps, jit_compile=settings.jit_compile
        )
    clips = settings.batch_size // settings.accumulate_steps
    for each in [*objective.nested(Objective), *objective.nested(State)]:
        each.check_batch(clips)
    if any(view.step_augmentations for view in recipe.views.values()):
        objective.finish_batch = functools.partial(finish_views, recipe.views)
    return objective


def _train(
    inputs: Inputs,
    strategy: tf.distribute.Strategy,
    workers: Workers,
    model_dir: str,
    allow_changes: bool,
    interruption: Interruption | SharedInterruption,
    wait: InputWait,
    profile: tuple[int, int] | None,
    warnings: WarningCount,
    initial_parts: Mapping[str, Part],
) -> bool:
    settings = inputs.settings
    objective = build_objective(settings, inputs.recipe, strategy)
    inputs = inputs.asked_by(objective)
    rows = inputs.rows and inputs.rows.identity
    check_same_rows(strategy, workers, rows)
    checkpoints = Checkpoints(
        objective, model_dir, settings.keep_checkpoints, settings.keep_every, workers.chief, rows
    )
    occasions = Occasions(objective, inputs, checkpoints, model_dir, workers, wait.look)
    saved_step = _agree_on_checkpoint(checkpoints, strategy, workers)
    step = saved_step or 0
    distributed = strategy.distribute_datasets_from_function
    held_out = distributed(inputs.held_out) if inputs.holds_out else None
    monitor = RunMonitor(
        objective,
        inputs,
        pathlib.Path(model_dir) / TENSORBOARD,
        checkpoints,
        interruption,
        held_out=held_out,
        wait=wait,
        occasions=occasions,
        chief=workers.chief,
        profile=profile,
    )
    if workers.chief:
        resume(checkpoints, model_dir, saved_step, allow_changes)
    elif saved_step is not None:
        checkpoints.restore(saved_step)
    if saved_step is None:
        load_initial(objective, settings, rows, initial_parts)
    # Steps that only filled state took their batches too.
    batches = distributed(functools.partial(inputs.training, step + objective.filling_steps))
    if workers.chief:
        write_configs(model_dir)
        name_run(model_dir, begins=saved_step is None)
        _announce(objective, settings, model_dir, step)
    if step >= settings.num_steps:
        return True
    if workers.chief:
        checkpoints.check_space()
    monitor.charts.text("config", gin.markdown(gin.operative_config_str()))
    objective.next_batch = wait.next
    if settings.accumulate_steps > 1 and not workers.several:
        changing = checkpoints.changed_by_parts()
        objective.around_step = functools.partial(undone_unless_whole, changing)
    try:
        with user_errors():
            objective.fit(
                batches,
                steps_per_epoch=settings.num_steps - step,
                callbacks=StepCallbacks([monitor], add_history=True, model=objective),
                verbose=0,
            )
    except StoppedWaitingError:
        # Several processes could only save together: the others find this one gone.
        if not workers.several:
            monitor.save()
        return False
    except (errors.UserError, OSError, MonitorError) as error:
        # What the run prints may have nowhere to go any more. Several processes could only save together.
        if not (workers.several or isinstance(error, _NOT_SAVED)):
            monitor.save()
        raise
    if workers.chief:
        print(monitor.summary(warnings.count))
    print(inputs.summary(), flush=True)
    complete = objective.step >= settings.num_steps
    if complete:
        occasions.finish()
    if not complete and interruption.exit_code is None:
        # Keras takes some errors for the end of the input, and goes on.
        raise errors.UserError(
            f"the run ended early, after step {objective.step} of {settings.num_steps}; the messages above "
            "may say why. Start the same command again to resume from the last checkpoint."
        )
    return complete


def _agree_on_checkpoint(
    checkpoints: Checkpoints, strategy: tf.distribute.Strategy, workers: Workers
) -> int | None:
    """Returns the step of the newest usable checkpoint as the chief sees the folder; None for none."""
    step = checkpoints.newest_step() if workers.chief else None
    if workers.several:
        (told,) = total(strategy, workers, [0 if step is None else step + 1])
        step = int(told) - 1 if told else None
    return step


def _announce(objective: Objective, settings: Settings, model_dir: str, step: int) -> None:
    for view, backbone in objective.backbones.items():
        print(f"view {view}: {backbone.name}, {backbone.count_params():,} parameters")
    start = f"resuming {model_dir} at" if step else f"training {model_dir} from"
    print(
        f"{start} step {step} of {settings.num_steps}, batch {settings.batch_size}, "
        f"{settings.precision}; watch with: tensorboard --logdir {model_dir}",
        flush=True,
    )
