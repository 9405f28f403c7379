"""What a run shows while it goes: progress lines, TensorBoard scalars, and checkpoints."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping

import tensorflow as tf
import tqdm
from absl import logging

from brave_tf.data.attempts import SkippedClips
from brave_tf.training.checkpoints import Checkpoints
from brave_tf.training.interruption import Interruption
from brave_tf.training.strategy import distribute


class RunMonitor(tf.keras.callbacks.Callback):
    """Logs the means since the last log at intervals, and saves checkpoints.

    A run that is asked to stop ends after the step under way, with a checkpoint.

    Args:
      model_dir: folder of the run; TensorBoard events go to `model_dir/tensorboard`.
      checkpoints: where the state is saved.
      interruption: asks the run to stop.
      num_steps: step at which the run ends.
      batch_size: clips of a step.
      log_every: steps between logs.
      checkpoint_every: steps between checkpoints.
      skipped: account of the clips that could not be read since the run was started or resumed.
      held_out: endless batches, or None for no measurement of the loss on held-out clips.
      held_out_batches: how many of them are one measurement, which is made at every checkpoint.
    """

    def __init__(
        self,
        model_dir: str,
        checkpoints: Checkpoints,
        interruption: Interruption,
        *,
        num_steps: int,
        batch_size: int,
        log_every: int,
        checkpoint_every: int,
        skipped: SkippedClips,
        held_out: tf.data.Dataset | None = None,
        held_out_batches: int = 0,
    ):
        super().__init__()
        folder = pathlib.Path(model_dir) / "tensorboard"
        self._train_writer = tf.summary.create_file_writer(str(folder / "train"))
        self._held_out_writer = tf.summary.create_file_writer(str(folder / "held_out"))
        self._checkpoints = checkpoints
        self._interruption = interruption
        self._num_steps = num_steps
        self._batch_size = batch_size
        self._log_every = log_every
        self._checkpoint_every = checkpoint_every
        self._skipped = skipped
        self._held_out = held_out
        self._held_out_batches = held_out_batches

    def write_text(self, name: str, text: str) -> None:
        """Shows a text in TensorBoard."""
        with self._train_writer.as_default(step=0):
            tf.summary.text(name, text)

    def on_train_begin(self, logs: Mapping | None = None) -> None:
        self._step = self.model.step
        self._start_window()
        if self._held_out:
            strategy = self.model.distribute_strategy
            self._held_out_iterator = iter(distribute(strategy, self._held_out))

    def on_train_end(self, logs: Mapping | None = None) -> None:
        self._train_writer.flush()

    def on_train_batch_end(self, batch: int, logs: Mapping | None = None) -> None:
        self._step += 1
        self._skipped.update()
        self._interruption.under_way()
        stopping = self._interruption.exit_code is not None
        last = self._step == self._num_steps or stopping
        if last or self._step % self._log_every == 0:
            self._log(logs)
        if last or self._step % self._checkpoint_every == 0:
            # Who takes the machine away does not wait for a measurement.
            measured = self._held_out and not stopping
            self._checkpoints.save(self._measure_held_out() if measured else None)
        if stopping:
            self.model.stop_training = True

    def _start_window(self) -> None:
        self.model.reset_metrics()
        self._window_start = time.perf_counter()
        self._window_step = self._step

    def _log(self, logs: Mapping[str, float]) -> None:
        steps = self._step - self._window_step
        seconds = (time.perf_counter() - self._window_start) / max(steps, 1)
        scalars = dict(logs)
        scalars["learning_rate"] = float(learning_rate(self.model.optimizer))
        scalars["throughput/clips_per_second"] = self._batch_size / seconds
        scalars["throughput/seconds_per_step"] = seconds
        scalars["input/skipped_clips"] = self._skipped.count
        _write_scalars(self._train_writer, scalars, self._step)
        remaining = tqdm.tqdm.format_interval(seconds * (self._num_steps - self._step))
        print(
            f"step {self._step}/{self._num_steps}  loss {logs['loss']:.4f}  "
            f"{self._batch_size / seconds:.1f} clips/s  {seconds:.2f} s/step  ETA {remaining}"
            + (f"  {self._skipped.count:,} clips skipped" if self._skipped.count else ""),
            flush=True,
        )
        self._start_window()

    def _measure_held_out(self) -> float:
        self.model.reset_metrics()
        test = self.model.make_test_function()
        for _ in range(self._held_out_batches):
            logs = test(self._held_out_iterator)
        _write_scalars(self._held_out_writer, logs, self._step)
        loss = float(logs["loss"])
        print(f"step {self._step}/{self._num_steps}  held-out loss {loss:.4f}", flush=True)
        self._start_window()
        return loss


def learning_rate(optimizer: tf.keras.optimizers.Optimizer) -> tf.Tensor:
    """The learning rate of the optimizer's last step."""
    if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return tf.convert_to_tensor(optimizer.learning_rate)


def _write_scalars(
    writer: tf.summary.SummaryWriter, scalars: Mapping[str, float], step: int
) -> None:
    try:
        with writer.as_default(step=step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
        writer.flush()
    except tf.errors.OpError as error:
        # A run is worth more than its charts.
        logging.warning("the charts of step %d could not be written: %s", step, error.message)
