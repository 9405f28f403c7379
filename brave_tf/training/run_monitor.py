"""What a run does between its steps: it logs, watches, saves checkpoints, has occasions happen, and stops."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Iterable, Mapping

import tensorflow as tf

from brave_tf.objectives.base import Objective
from brave_tf.training.checkpoints import Checkpoints
from brave_tf.training.input_wait import InputWait
from brave_tf.training.inputs import Inputs
from brave_tf.training.interruption import Interruption, SharedInterruption
from brave_tf.training.monitors import further
from brave_tf.training.monitors.advice import Advice
from brave_tf.training.monitors.built_in import AFTER_SAVING, BEFORE_SAVING
from brave_tf.training.monitors.charts import TRAIN, Charts
from brave_tf.training.monitors.held_out import HeldOutLoss
from brave_tf.training.monitors.moment import Moment
from brave_tf.training.monitors.monitor import Monitor
from brave_tf.training.monitors.non_finite import NonFiniteWatch
from brave_tf.training.monitors.profile import Profile
from brave_tf.training.monitors.saving import Saving
from brave_tf.training.monitors.step_log import StepLog
from brave_tf.training.occasions import Occasions

# Reading a figure of a step waits for the devices, so that they idle while the next one is prepared.
_LOOK_EVERY_ON_ACCELERATORS = 10


class RunMonitor(tf.keras.callbacks.Callback):
    """Reads the figures of steps, and has a list of monitors act: they log, watch, and save checkpoints.

    A run that is asked to stop ends after the step under way, with a checkpoint. One whose loss is not
    finite ends with a NonFiniteError, and what is saved is left as it is. One whose weights do not move ends
    with a StandstillError.

    Args:
      objective: that is trained.
      inputs: its clips, and the settings of the run.
      folder: TensorBoard's.
      checkpoints: where the state is saved.
      interruption: asks the run to stop.
      held_out: endless distributed batches, of which `inputs.held_out_batches` are one measurement of the
        loss on held-out clips, made at every checkpoint; None for no measurement.
      wait: waits for those.
      occasions: of the objective; None for none.
      chief: whether this process writes charts and prints; one of several does.
      profile: the first and the last step that are traced; None for no trace.

    Raises:
      UserError: a binding of a monitor, or a monitor of `train.monitors`, cannot be used.
      MonitorError: making one of those failed.
    """

    def __init__(
        self,
        objective: Objective,
        inputs: Inputs,
        folder: pathlib.Path,
        checkpoints: Checkpoints,
        interruption: Interruption | SharedInterruption,
        *,
        held_out: Iterable | None = None,
        wait: InputWait,
        occasions: Occasions | None = None,
        chief: bool = True,
        profile: tuple[int, int] | None = None,
    ):
        super().__init__()
        self._objective, self._inputs, self._chief = objective, inputs, chief
        self._checkpoints, self._interruption = checkpoints, interruption
        self._occasions = occasions
        self.charts, self._advice = Charts(folder, enabled=chief), Advice(quiet=not chief)
        self._log = StepLog(objective, inputs, self.charts, self._advice)
        self._held_out = None
        if held_out is not None:
            count = inputs.held_out_batches
            self._held_out = HeldOutLoss(
                objective, held_out, count, wait.next, self.charts, self._advice
            )
        self._monitors = self._listed(folder, profile)
        for monitor in self._monitors:
            with further.naming(monitor):
                monitor.prepare(inputs)
        accelerators = tf.config.list_logical_devices("GPU") + tf.config.list_logical_devices("TPU")
        self._look_every = _LOOK_EVERY_ON_ACCELERATORS if accelerators else 1

    def _listed(self, folder: pathlib.Path, profile: tuple[int, int] | None) -> list[Monitor]:
        """All monitors, in the order in which those act that act after the same step."""
        profiles = [Profile(folder / TRAIN, *profile)] if profile and self._chief else []
        before, after = ([make() for make in each] for each in (BEFORE_SAVING, AFTER_SAVING))
        self._further = further.make(self._inputs.settings.monitors, [*before, *after])
        saving = Saving(self.save, self._held_out)
        return [*profiles, self._log, *before, *self._further, saving, *after]

    def on_train_begin(self, logs: Mapping | None = None) -> None:
        self._step = self._objective.step
        self._non_finite = NonFiniteWatch(
            self._objective, self._replay, self._checkpoints.newest_step
        )
        if self._held_out:
            self._held_out.resume(self._checkpoints.held_out_losses(self._step))
        # The first step waits until the input pipeline has started.
        self._idle, self._means = False, {}
        # Who acts first after a step prepares for it last.
        for monitor in reversed(self._monitors):
            with further.naming(monitor, self._step):
                monitor.begin(self._moment())
                monitor.restart_clock()
        if self._occasions and self._occasions.lack_loss(self._step):
            self._occasions.measured(self._step, self._held_out.measure(self._step, None))

    def on_train_batch_begin(self, batch: int, logs: Mapping | None = None) -> None:
        if self._occasions:
            self._log.leave_out(self._occasions.take(self._step, self.save))
        for monitor in reversed(self._monitors):
            with further.naming(monitor, self._step):
                monitor.before_step(self._step + 1)

    def on_train_batch_end(self, batch: int, logs: Mapping | None = None) -> None:
        self._step += 1
        self._inputs.skipped.update()
        self._interruption.under_way()
        moment = self._moment(stopping=self._interruption.exit_code is not None)
        due = [monitor for monitor in self._monitors if self._is_due(monitor, moment)]
        self._look(logs, any(monitor.reads_means for monitor in due))
        moment = dataclasses.replace(moment, means=self._means)
        for monitor in self._monitors:
            if monitor in due or (self._idle and monitor.overdue()):
                self._have_act(monitor, moment)
        if moment.saving and not moment.stopping:
            self._log.start_interval(self._step)
        if moment.stopping:
            self.model.stop_training = True

    def _replay(self, step: int, count: int) -> tf.data.Dataset:
        """Returns the batches of so many steps after one again; those that filled state came before."""
        return self._inputs.replay(step + self._objective.filling_steps, count)

    def _moment(self, stopping: bool = False) -> Moment:
        return Moment(
            self._objective, self._inputs, self.charts, self._advice, self._step, stopping
        )

    def _is_due(self, monitor: Monitor, moment: Moment) -> bool:
        with further.naming(monitor, self._step):
            return monitor.due(moment)

    def _have_act(self, monitor: Monitor, moment: Moment) -> None:
        if not (monitor.everywhere or self._chief):
            return
        begun = time.perf_counter()
        with further.naming(monitor, self._step):
            monitor.act(moment)
            monitor.restart_clock()
        if monitor in self._further:
            self._log.leave_out(time.perf_counter() - begun)

    def summary(self, warnings: int = 0) -> str:
        """Returns a few lines on the steps of this process: how many, how fast, losses and warnings.

        Args:
          warnings: how many there were in all, see `Advice.summary`.
        """
        lines = []
        for monitor in self._monitors:
            with further.naming(monitor, self._step):
                lines.append(monitor.summary(self._step))
        return "\n".join(filter(None, [*lines, self._advice.summary(warnings)]))

    def _look(self, logs: Mapping[str, tf.Tensor], needed: bool) -> None:
        """Reads the figures of a step now and then, or if they are needed."""
        if self._idle:
            self._log.waiting.count(float(self._objective.seen.waited))
        self._idle = needed or self._step % self._look_every == 0
        if self._idle:
            self._means = self._objective.figures(logs)
            self._non_finite.look(self._step, self._means)

    def save(self, held_out_loss: float | None = None) -> None:
        """Saves a checkpoint of the state.

        Raises:
          NonFiniteError: a part of it is not finite.
          SaveError: it cannot be written.
        """
        self._non_finite.check_weights(self._step)
        if self._occasions:
            self._occasions.measured(self._step, held_out_loss)
        self._checkpoints.save(held_out_loss)
