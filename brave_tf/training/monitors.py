"""What a run shows while it goes: progress lines, TensorBoard scalars, and checkpoints."""

from __future__ import annotations

import pathlib
import signal
import time
from collections.abc import Mapping

import tensorflow as tf
import tqdm

from brave_tf.training.checkpoints import Checkpoints
from brave_tf.training.strategy import distribute


class RunMonitor(tf.keras.callbacks.Callback):
    """Logs the means since the last log at intervals, and saves checkpoints.

    SIGINT (Ctrl-C) ends the run after the step under way, with a checkpoint; a second one aborts at once.

    Args:
      model_dir: folder of the run; TensorBoard events go to `model_dir/tensorboard`.
      checkpoints: where the state is saved.
      num_steps: step at which the run ends.
      batch_size: clips of a step.
      log_every: steps between logs.
      checkpoint_every: steps between checkpoints.
      held_out: endless batches, or None for no measurement of the loss on held-out clips.
      held_out_batches: how many of them are one measurement, which is made at every checkpoint.
    """

    def __init__(
        self,
        model_dir: str,
        checkpoints: Checkpoints,
        *,
        num_steps: int,
        batch_size: int,
        log_every: int,
        checkpoint_every: int,
        held_out: tf.data.Dataset | None = None,
        held_out_batches: int = 0,
    ):
        super().__init__()
        folder = pathlib.Path(model_dir) / "tensorboard"
        self._train_writer = tf.summary.create_file_writer(str(folder / "train"))
        self._held_out_writer = tf.summary.create_file_writer(str(folder / "held_out"))
        self._checkpoints = checkpoints
        self._num_steps = num_steps
        self._batch_size = batch_size
        self._log_every = log_every
        self._checkpoint_every = checkpoint_every
        self._held_out = held_out
        self._held_out_batches = held_out_batches
        self.interrupted = False

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
        self._handler = signal.signal(signal.SIGINT, self._interrupt)

    def on_train_end(self, logs: Mapping | None = None) -> None:
        signal.signal(signal.SIGINT, self._handler)
        self._checkpoints.save()
        self._train_writer.flush()

    def on_train_batch_end(self, batch: int, logs: Mapping | None = None) -> None:
        self._step += 1
        last = self._step == self._num_steps or self.interrupted
        if last or self._step % self._log_every == 0:
            self._log(logs)
        if self._step % self._checkpoint_every == 0 and not last:
            self._checkpoints.save()
        if self._held_out and (last or self._step % self._checkpoint_every == 0):
            self._measure_held_out()
        if self.interrupted:
            self.model.stop_training = True

    def _interrupt(self, signum: int, frame: object) -> None:
        print("\nstopping after this step; press Ctrl-C again to abort without saving", flush=True)
        self.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

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
        _write_scalars(self._train_writer, scalars, self._step)
        remaining = tqdm.tqdm.format_interval(seconds * (self._num_steps - self._step))
        print(
            f"step {self._step}/{self._num_steps}  loss {logs['loss']:.4f}  "
            f"{self._batch_size / seconds:.1f} clips/s  {seconds:.2f} s/step  ETA {remaining}",
            flush=True,
        )
        self._start_window()

    def _measure_held_out(self) -> None:
        self.model.reset_metrics()
        test = self.model.make_test_function()
        for _ in range(self._held_out_batches):
            logs = test(self._held_out_iterator)
        _write_scalars(self._held_out_writer, logs, self._step)
        print(f"step {self._step}/{self._num_steps}  held-out loss {logs['loss']:.4f}", flush=True)
        self._start_window()


def learning_rate(optimizer: tf.keras.optimizers.Optimizer) -> tf.Tensor:
    """The learning rate of the optimizer's last step."""
    if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return tf.convert_to_tensor(optimizer.learning_rate)


def _write_scalars(
    writer: tf.summary.SummaryWriter, scalars: Mapping[str, float], step: int
) -> None:
    with writer.as_default(step=step):
        for name, value in scalars.items():
            tf.summary.scalar(name, value)
    writer.flush()
