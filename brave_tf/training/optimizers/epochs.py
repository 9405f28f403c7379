"""Schedules in epochs instead of steps."""

from __future__ import annotations

import math

import gin
import tensorflow as tf

from brave_tf.data.sources.kinds import open_source
from brave_tf.errors import UserError
from brave_tf.training.optimizers.schedules import LearningRate, as_schedule, run_settings

schedules = tf.keras.optimizers.schedules


@gin.configurable
def by_epoch(
    schedule: LearningRate = gin.REQUIRED,
    whole: bool = False,
    clips: int | None = None,
    batch_size: int | None = None,
) -> schedules.LearningRateSchedule:
    """A schedule whose steps are epochs: of `@warmup_cosine()`, `total_steps = 200` are 200 epochs.

    The epoch of a step is step * batch_size / clips; step 0 is at epoch 0.

    Args:
      schedule: a schedule of epochs.
      whole: the rate changes between epochs only, and the epoch counts that are over (PyTorch's schedulers
        that are called once an epoch); False: with every step, by the exact epoch (SlowFast's).
      clips: of an epoch; None for those that the run trains on, `train.split` of `train.data_dir` without
        what `train.held_out_every` holds out. Bind it where an epoch is to be that of a publication, or draws
        several clips of each video.
      batch_size: clips of a step, over all devices; None for `train.batch_size`.

    Raises:
      UserError: a number is not positive, nobody has counted the clips, or there is no run to ask.
    """
    if batch_size is None:
        batch_size = run_settings("by_epoch.batch_size").batch_size
    clips = _clips_of_run() if clips is None else clips
    if min(clips, batch_size) < 1:
        raise UserError(
            f"by_epoch.clips = {clips}, batch_size = {batch_size}: expected positive numbers of clips."
        )
    return ByEpoch(schedule, clips, batch_size, whole)


def _clips_of_run() -> int:
    run = run_settings("by_epoch.clips")
    count = open_source(run.data_dir).num_clips(run.split)
    if not count:
        raise UserError(
            f"by_epoch.clips is not bound, and nobody has counted the clips of {run.split!r} in "
            f"{run.data_dir}: bind how many an epoch has."
        )
    every = run.held_out_every
    return count - math.ceil(count / every) if every else count


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class ByEpoch(schedules.LearningRateSchedule):
    """See `by_epoch`."""

    def __init__(self, schedule: LearningRate, clips: int, batch_size: int, whole: bool):
        self._schedule = as_schedule(schedule)
        self._clips, self._batch_size, self._whole = clips, batch_size, whole

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        # In whole numbers: a float32 knows no odd ones above 2 ** 24.
        seen = tf.cast(step, tf.int64) * self._batch_size
        epoch, rest = tf.cast(seen // self._clips, tf.float32), seen % self._clips
        if not self._whole:
            epoch += tf.cast(rest / self._clips, tf.float32)
        return self._schedule(epoch)

    def get_config(self) -> dict:
        """Returns the arguments, the schedule serialized."""
        return {
            "schedule": schedules.serialize(self._schedule),
            "clips": self._clips,
            "batch_size": self._batch_size,
            "whole": self._whole,
        }
