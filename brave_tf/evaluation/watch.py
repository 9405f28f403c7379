"""Follows a training run: each of its checkpoints is evaluated soon after it is written."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Sequence
from typing import Callable

import numpy as np
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.evaluation.results import Result, scalars
from brave_tf.storage import files
from brave_tf.storage.locks import is_locked
from brave_tf.training import checkpoint_files
from brave_tf.training.checkpoints import FOLDER
from brave_tf.training.event_files import drop_values, read_events
from brave_tf.training.recipe import CONFIG_FILE
from brave_tf.training.resumption import LOCK, TENSORBOARD

_SECONDS_BETWEEN_LOOKS = 10.0
CHARTS = "eval"
# How long a run that was started at the same time may take to make its folder.
_SECONDS_TO_BEGIN = 120.0


class WatchedRun:
    """A run that another process may be training.

    Args:
      model_dir: its folder, which need not be there yet.
      wait: called between two looks at the folder.
    """

    def __init__(
        self,
        model_dir: str,
        wait: Callable[[], None] = lambda: time.sleep(_SECONDS_BETWEEN_LOOKS),
    ):
        self._folder = pathlib.Path(model_dir)
        self._wait = wait

    def under_way(self) -> bool:
        """Whether a process trains it."""
        return is_locked(str(self._folder / LOCK))

    def steps(self) -> list[int]:
        """Returns the steps of its checkpoints that were written to the end, in order."""
        return sorted(checkpoint_files.manifests(self._folder / FOLDER))

    def await_beginning(self) -> None:
        """Waits until its configuration is there.

        Raises:
          UserError: nothing begins to train in the folder.
        """
        config, deadline = self._folder / CONFIG_FILE, time.monotonic() + _SECONDS_TO_BEGIN
        said = False
        while not (config.is_file() and (self.steps() or self.under_way())):
            if time.monotonic() > deadline and not self.under_way():
                raise UserError(
                    f"--watch: {self._folder} has no checkpoint, and no process trains in it: start "
                    "brave_tf_train with this --model_dir."
                )
            if not said:
                print(f"waiting for a run in {self._folder} to begin", flush=True)
                said = True
            self._wait()

    def follow(self, evaluate: Callable[[int], None]) -> None:
        """Calls `evaluate` with the step of each checkpoint, in order, until the run has ended.

        One that is pruned before its turn is passed over with a message.
        """
        seen: set[int] = set()
        while True:
            # Looked at first: what is written after that is found by the next look.
            under_way = self.under_way()
            new = [step for step in self.steps() if step not in seen]
            for step in new:
                seen.add(step)
                if step not in self.steps():
                    print(f"step {step}: was deleted before it could be evaluated", flush=True)
                    continue
                evaluate(step)
            if not new:
                if not under_way:
                    return
                self._wait()

    def chart(self, results: Sequence[Result], step: int) -> None:
        """Writes the metrics of results to the run's charts, tagged eval/<task>/<metric>.

        Those that the charts have already are left out; those that they have of another model, or of other
        settings, take its place. A run that resumes takes away what they had of later steps, so results that
        were there before may have to be written again.

        Raises:
          NotWrittenError: they cannot be written.
        """
        folder = self._folder / TENSORBOARD / CHARTS
        points = {
            f"eval/{result.task}/{name}": np.float32(value)
            for result in results
            for name, value in scalars(result.metrics).items()
        }
        charted = {
            value.tag: tf.make_ndarray(value.tensor).item()
            for event in read_events(folder)
            if event.step == step
            for value in event.summary.value
        }
        new = {tag: value for tag, value in points.items() if charted.get(tag) != value}
        if not new:
            return
        with files.told(folder, "Results are kept. Free space, then start the same command again."):
            drop_values(folder, step, [tag for tag in new if tag in charted])
            try:
                writer = tf.summary.create_file_writer(str(folder))
                with writer.as_default(step=step):
                    for tag, value in new.items():
                        tf.summary.scalar(tag, value)
                writer.close()
            except tf.errors.OpError as error:
                raise OSError(error.message) from error
