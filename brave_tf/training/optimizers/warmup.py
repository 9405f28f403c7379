"""Schedules that begin with a linear rise."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.training.optimizers.schedules import (
    LearningRate,
    Piecewise,
    as_schedule,
    warmup_cosine,
)

schedules = tf.keras.optimizers.schedules


@gin.configurable
def warmup_into(
    schedule: LearningRate = gin.REQUIRED, steps: float = gin.REQUIRED, initial: float = 0.0
) -> schedules.LearningRateSchedule:
    """A linear rise from `initial` to the rate that a schedule has at step `steps`, then that schedule.

    Unlike `warmup_cosine`, the schedule begins with the run, not after the rise: a cosine over all steps
    has fallen by its end, and the highest rate is below its peak. So do CVRL and SlowFast. A constant for
    `schedule` gives a rise that stays there.

    Args:
      schedule: a number or a schedule, such as `@warmup_cosine()` without warm-up.
      steps: of the rise; epochs, inside of `by_epoch`.
      initial: the rate of step 0.

    Raises:
      UserError: `steps` or `initial` is below 0.
    """
    if steps < 0 or initial < 0:
        raise UserError(
            f"warmup_into.steps = {steps}, initial = {initial}: expected 0 or more of each."
        )
    return WarmupInto(schedule, steps, initial) if steps else as_schedule(schedule)


@gin.configurable
def whole_cosine(
    peak: float = gin.REQUIRED,
    warmup_steps: float = gin.REQUIRED,
    total_steps: int = gin.REQUIRED,
    initial: float = 0.0,
) -> schedules.LearningRateSchedule:
    """Half a cosine from `peak` to 0 over all steps, the first of which are a linear rise into it.

    `peak` itself is never reached, unlike that of `warmup_cosine`: see `warmup_into`. CVRL and SlowFast
    (rho-BYOL), in pre-training and in linear evaluation.

    Args:
      peak: rate that the cosine has at step 0.
      warmup_steps: of the rise.
      total_steps: step from which on the rate is 0.
      initial: the rate of step 0.

    Raises:
      UserError: no step is left after the rise, or a rate cannot be used.
    """
    if not 0 <= warmup_steps < total_steps:
        raise UserError(
            f"whole_cosine.warmup_steps = {warmup_steps}, total_steps = {total_steps}: expected "
            "0 <= warmup_steps < total_steps."
        )
    whole = warmup_cosine(peak, warmup_steps=0, total_steps=total_steps, final=0.0, initial=0.0)
    return warmup_into(whole, warmup_steps, initial)


@gin.configurable
def falling_steps(
    peak: float = gin.REQUIRED,
    warmup_steps: float = gin.REQUIRED,
    total_steps: int = gin.REQUIRED,
    milestones: Sequence[float] = (0.6, 0.8),
    factor: float = 0.1,
) -> LearningRate:
    """A constant rate that falls at each of some shares of all steps; the first steps may be a rise to it.

    Args:
      peak: the first rate.
      warmup_steps: of the rise.
      total_steps: what `milestones` are shares of.
      milestones: shares of the steps, in ascending order. The default is that of CoCLR's linear layer.
      factor: by which the rate is multiplied at each.

    Raises:
      UserError: a milestone is no share, or they are not in order.
    """
    inside = [each for each in milestones if 0 < each < 1]
    if sorted(set(inside)) != list(milestones):
        raise UserError(
            f"falling_steps.milestones = {milestones!r}: expected shares between 0 and 1, in ascending order."
        )
    boundaries = [round(share * total_steps) for share in milestones]
    rates = [peak * factor**number for number in range(len(boundaries) + 1)]
    return warmup_into(Piecewise(rates, boundaries), warmup_steps)


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class WarmupInto(schedules.LearningRateSchedule):
    """See `warmup_into`."""

    def __init__(self, schedule: LearningRate, steps: float, initial: float):
        self._schedule, self._steps, self._initial = as_schedule(schedule), steps, initial

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        end = self._schedule(self._steps)
        share = tf.cast(step, end.dtype) / self._steps
        rising = self._initial + share * (end - self._initial)
        return tf.where(share < 1, rising, self._schedule(step))

    def get_config(self) -> dict:
        """Returns the schedule, serialized, the steps and the first rate."""
        schedule = schedules.serialize(self._schedule)
        return {"schedule": schedule, "steps": self._steps, "initial": self._initial}
