"""Occasions: when an objective asks for features of all clips that are trained on, to change its state.

An objective makes a list of some, `self.occasions = [AtStart(), EveryEpochs(5)]`. Before a step for which one
is due the run saves a checkpoint, computes the features and calls `Objective.on_occasion`. Which ones have
happened is in checkpoints: a run that is killed before the next one comes to the occasion again.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import Callable, NamedTuple

import gin
import numpy as np
import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives.state import State, outside_of_strategies


@dataclasses.dataclass(frozen=True)
class RowFeatures:
    """Features of all clips that are trained on, by their rows, which are the `clip_id` of batches.

    Attributes:
      of: view -> (N, D) float32, the mean over the windows of each clip, read when it is asked for. Of a
        clip that cannot be read all values are NaN.
      seed: of all that is random on the occasion: another one each time, but the same in all processes, and
        for a run that comes to it again.
    """

    of: Callable[[str], np.ndarray]
    seed: int = 0


class Passed(NamedTuple):
    """What of a run is over.

    Attributes:
      step: optimizer steps taken.
      batch_size: clips of a step, over all devices.
      epoch_clips: clips of an epoch of the input pipeline; None where nobody counted them.
    """

    step: int
    batch_size: int
    epoch_clips: int | None


class Occasion(State, abc.ABC):
    """A time at which an objective is asked to change its state; a subclass says when that is.

    Args:
      name: of the occasion.
      views: of which there are to be features; None: of all that have a backbone. An empty list is for an
        objective that needs none, since it makes something of its state alone.
      temporal: windows of a clip, evenly spaced, whose features are averaged; the middle one is that of 1.
      spatial: squares of each window of frames, likewise.

    Attributes:
      times: () int64, how often it has happened.
      last_step: () int64, steps that were over when it last did; 0 before.

    Raises:
      UserError: a number is below 1.
    """

    # Whether `measured` is to be called.
    follows_held_out_loss = False

    def __init__(
        self,
        name: str,
        views: Sequence[str] | None = None,
        temporal: int = 1,
        spatial: int = 1,
    ):
        super().__init__(name)
        check_counts(type(self).__name__, temporal=temporal, spatial=spatial)
        self.views = views if views is None else tuple(views)
        self.temporal, self.spatial = temporal, spatial
        self.times = _on_host(tf.zeros((), tf.int64), f"{name}/times")
        self.last_step = _on_host(tf.zeros((), tf.int64), f"{name}/last_step")

    @abc.abstractmethod
    def due(self, passed: Passed) -> bool:
        """Whether it is to happen before the next step; the same in all processes."""

    def happened(self, step: int) -> None:
        """Records that it happened after `step` steps."""
        self.times.assign_add(1)
        self.last_step.assign(step)

    def measured(self, step: int, loss: float) -> None:
        """Is told the loss on held-out clips, at the steps that `train.checkpoint_every` divides."""
        del step, loss

    def lacks(self, step: int) -> bool:
        """Whether the loss after a step at which it is measured has not been told."""
        del step
        return False


@gin.configurable
class AtStart(Occasion):
    """Before the first step, once; see `Occasion` for the arguments."""

    def __init__(self, views: Sequence[str] | None = None, temporal: int = 1, spatial: int = 1):
        super().__init__("at_start", views, temporal, spatial)

    def due(self, passed: Passed) -> bool:
        return int(self.times.numpy()) == 0


@gin.configurable
class EverySteps(Occasion):
    """After every `steps` steps, but not after the last step of a run.

    Args:
      steps: how many.
      views: see `Occasion`.
      temporal: see `Occasion`.
      spatial: see `Occasion`.

    Raises:
      UserError: a number is below 1.
    """

    def __init__(
        self,
        steps: int = gin.REQUIRED,
        views: Sequence[str] | None = None,
        temporal: int = 1,
        spatial: int = 1,
    ):
        check_counts("EverySteps", steps=steps)
        super().__init__("every_steps", views, temporal, spatial)
        self._steps = steps

    def due(self, passed: Passed) -> bool:
        return passed.step // self._steps > int(self.last_step.numpy()) // self._steps


@gin.configurable
class EveryEpochs(Occasion):
    """Before the first step of every `epochs`-th epoch.

    As for schedules, the epoch after a step is step * batch_size / clips. Where no clip may be in a batch
    twice, an epoch has no more clips than fill whole batches.

    Args:
      epochs: how many.
      clips: of an epoch; None for those that the run trains on. Bind it where an epoch is that of a
        publication which draws several windows of each video.
      views: see `Occasion`.
      temporal: see `Occasion`.
      spatial: see `Occasion`.

    Raises:
      UserError: a number is below 1.
    """

    def __init__(
        self,
        epochs: int = 1,
        clips: int | None = None,
        views: Sequence[str] | None = None,
        temporal: int = 1,
        spatial: int = 1,
    ):
        check_counts("EveryEpochs", epochs=epochs, clips=1 if clips is None else clips)
        super().__init__("every_epochs", views, temporal, spatial)
        self._epochs, self._clips = epochs, clips

    def due(self, passed: Passed) -> bool:
        clips = passed.epoch_clips if self._clips is None else self._clips
        if clips is None:
            raise errors.UserError(
                "EveryEpochs.clips is not bound, and nobody has counted the clips that are trained on: bind "
                "how many an epoch has."
            )
        size = clips * self._epochs
        last = int(self.last_step.numpy())
        return passed.step * passed.batch_size // size > last * passed.batch_size // size


@gin.configurable
class WhenSaturated(Occasion):
    """When the loss on held-out clips has stopped falling since the last time, or since the start.

    The loss is measured at the steps that `train.checkpoint_every` divides, see `train.held_out_every`.

    Args:
      patience: measurements in a row that show no new lowest loss.
      least: by how much a loss has to be below the lowest one to be a new one, as a share of that.
      views: see `Occasion`.
      temporal: see `Occasion`.
      spatial: see `Occasion`.

    Attributes:
      lowest: () float64, since it last happened; 0 while nothing was measured.
      waited: () int64, measurements since the lowest one; -1 while there is none.
      measured_step: () int64, of the last measurement, -1 before the first.

    Raises:
      UserError: `patience` is below 1 or `least` below 0.
    """

    follows_held_out_loss = True

    def __init__(
        self,
        patience: int = 3,
        least: float = 0.0,
        views: Sequence[str] | None = None,
        temporal: int = 1,
        spatial: int = 1,
    ):
        check_counts("WhenSaturated", patience=patience)
        if not least >= 0:
            raise errors.UserError(f"WhenSaturated.least = {least!r}: expected 0 or more.")
        super().__init__("when_saturated", views, temporal, spatial)
        self._patience, self._least = patience, least
        self.lowest = _on_host(tf.zeros((), tf.float64), f"{self.name}/lowest")
        self.waited, self.measured_step = (
            _on_host(tf.constant(-1, tf.int64), f"{self.name}/{each}")
            for each in ("waited", "measured_step")
        )

    def due(self, passed: Passed) -> bool:
        return int(self.waited.numpy()) >= self._patience

    def happened(self, step: int) -> None:
        super().happened(step)
        self.lowest.assign(0.0)
        self.waited.assign(-1)

    def measured(self, step: int, loss: float) -> None:
        lowest, waited = float(self.lowest.numpy()), int(self.waited.numpy())
        if waited < 0 or loss < lowest - self._least * abs(lowest):
            self.lowest.assign(loss)
            self.waited.assign(0)
        else:
            self.waited.assign(waited + 1)
        self.measured_step.assign(step)

    def lacks(self, step: int) -> bool:
        return int(self.measured_step.numpy()) < step


def _on_host(value: tf.Tensor, name: str) -> tf.Variable:
    """A variable that is read between steps, for which no accelerator is waited for."""

    def make() -> tf.Variable:
        with tf.device("CPU:0"):
            return tf.Variable(value, trainable=False, name=name)

    return outside_of_strategies(make)


def check_counts(name: str, **counts: int) -> None:
    """Makes sure that arguments are whole numbers of at least 1.

    Raises:
      UserError: one is not.
    """
    for argument, count in counts.items():
        if type(count) is not int or count < 1:
            raise errors.UserError(
                f"{name}.{argument} = {count!r}: expected a whole number of at least 1."
            )
