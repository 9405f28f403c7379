"""What a run does between its steps: it logs, watches, saves checkpoints, and stops when it is asked to."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping

import tensorflow as tf

from brave_tf.objectives.base import Objective
from brave_tf.training.checkpoints import Checkpoints
from brave_tf.training.input_wait import InputWait
from brave_tf.training.inputs import Inputs
from brave_tf.training.interruption import Interruption, SharedInterruption
from brave_tf.training.monitors.advice import Advice
from brave_tf.training.monitors.charts import TRAIN, Charts
from brave_tf.training.monitors.clip_pictures import ClipPictures
from brave_tf.training.monitors.held_out import HeldOutLoss
from brave_tf.training.monitors.non_finite import NonFiniteWatch
from brave_tf.training.monitors.probes import Probes
from brave_tf.training.monitors.profile import Profile
from brave_tf.training.monitors.standstill import StandstillWatch
from brave_tf.training.monitors.step_log import StepLog

# Reading a figure of a step waits for the devices, so that they idle while the next one is prepared.
_LOOK_EVERY_ON_ACCELERATORS = 10


class RunMonitor(tf.keras.callbacks.Callback):
    """Logs the means since the last log at intervals, looks for what goes wrong, and saves checkpoints.

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
      chief: whether this process writes charts and prints; one of several does.
      profile: the first and the last step that are traced; None for no trace.

    Raises:
      UserError: a binding of a monitor cannot be used.
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
        chief: bool = True,
        profile: tuple[int, int] | None = None,
    ):
        super().__init__()
        self._objective, self._inputs, self._chief = objective, inputs, chief
        self._num_steps = inputs.settings.num_steps
        self._checkpoints, self._interruption = checkpoints, interruption
        self.charts, self._advice = Charts(folder, enabled=chief), Advice(quiet=not chief)
        self._log = StepLog(objective, inputs, self.charts, self._advice)
        self._pictures, self._standstill = ClipPictures(), StandstillWatch()
        self._probes = Probes(inputs, self.charts)
        self._profile = Profile(folder / TRAIN, *profile) if profile and chief else None
        self._held_out = None
        if held_out is not None:
            count = inputs.held_out_batches
            self._held_out = HeldOutLoss(
                objective, held_out, count, wait.next, self.charts, self._advice
            )
        accelerators = tf.config.list_logical_devices("GPU") + tf.config.list_logical_devices("TPU")
        self._look_every = _LOOK_EVERY_ON_ACCELERATORS if accelerators else 1

    def on_train_begin(self, logs: Mapping | None = None) -> None:
        self._step = self._objective.step
        self._non_finite = NonFiniteWatch(
            self._objective, self._inputs.replay, self._checkpoints.newest_step
        )
        self._standstill.start(self._objective, self._step, self._advice)
        if self._held_out:
            self._held_out.resume(self._checkpoints.held_out_losses(self._step))
        # The first step waits until the input pipeline has started.
        self._idle = False
        self._log.start(self._step)

    def on_train_batch_begin(self, batch: int, logs: Mapping | None = None) -> None:
        self._log.before_step(self._step + 1)
        if self._profile:
            self._profile.before_step(self._step + 1)

    def on_train_batch_end(self, batch: int, logs: Mapping | None = None) -> None:
        self._step += 1
        self._inputs.skipped.update()
        self._interruption.under_way()
        stopping = self._interruption.exit_code is not None
        settings = self._inputs.settings
        last = self._step == self._num_steps or stopping
        logging = last or self._step % settings.log_every == 0
        saving = last or self._step % settings.checkpoint_every == 0
        self._look(logs, logging or saving)
        if self._profile:
            self._profile.after_step(self._step, last)
        if logging:
            self._log.write(self._step, self._means)
        if logging or saving:
            self._standstill.look(self._step, self._means)
        if last:
            self._standstill.conclude(self._step, self._means)
        if self._chief and self._pictures.occasions.due(self._step, self._num_steps):
            views, clips = self._inputs.recipe.views, self._objective.seen.clips
            self._pictures.show(self.charts, views, clips, self._step)
        if saving:
            self._measure_and_save(stopping)
        if stopping:
            self.model.stop_training = True

    def summary(self, warnings: int = 0) -> str:
        """Returns a few lines on the steps of this process: how many, how fast, losses and warnings.

        Args:
          warnings: how many there were in all, see `Advice.summary`.
        """
        lines = [self._log.summary(self._step)]
        if self._held_out:
            lines.append(self._held_out.summary())
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
        self._checkpoints.save(held_out_loss)

    def _measure_and_save(self, stopping: bool) -> None:
        # Who takes the machine away does not wait for a measurement.
        if stopping:
            self.save()
            return
        loss = self._held_out and self._held_out.measure(self._step, self._means.get("loss"))
        self.save(loss)
        if self._chief and loss is not None:
            print(f"step {self._step}/{self._num_steps}  held-out loss {loss:.4f}", flush=True)
        self._probes.run(self._objective, self._step)
        self._log.start_interval(self._step)
