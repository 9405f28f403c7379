"""Learning rate schedules: what recipes use of Keras', under the names and defaults of the field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import gin
import tensorflow as tf

from brave_tf.errors import UserError

schedules = tf.keras.optimizers.schedules

LearningRate = Union[float, schedules.LearningRateSchedule]

_RUN = "brave_tf.training.settings.train"


@gin.configurable
def warmup_cosine(
    peak: float = gin.REQUIRED,
    warmup_steps: int = gin.REQUIRED,
    total_steps: int = gin.REQUIRED,
    final: float = 0.0,
    initial: float = 0.0,
) -> schedules.LearningRateSchedule:
    """A linear rise from `initial` to `peak`, then half a cosine down to `final`.

    Args:
      peak: the highest rate, reached at step `warmup_steps`.
      warmup_steps: steps of the rise; 0 starts at `peak`.
      total_steps: step, counted from the start of the rise, from which on the rate is `final`.
      final: the last rate.
      initial: the rate of step 0.

    Raises:
      UserError: no step is left between the rise and the end, or `peak` is not positive.
    """
    if not 0 <= warmup_steps < total_steps:
        raise UserError(
            f"warmup_cosine.warmup_steps = {warmup_steps}, total_steps = {total_steps}: expected "
            "0 <= warmup_steps < total_steps; total_steps counts the warmup in."
        )
    if peak <= 0:
        raise UserError(f"warmup_cosine.peak = {peak}: expected a positive rate.")
    return schedules.CosineDecay(
        initial_learning_rate=initial if warmup_steps else peak,
        decay_steps=total_steps - warmup_steps,
        alpha=final / peak,
        warmup_target=peak if warmup_steps else None,
        warmup_steps=warmup_steps,
        name="warmup_cosine",
    )


@gin.configurable
def piecewise(
    values: Sequence[float] = gin.REQUIRED, boundaries: Sequence[int] = gin.REQUIRED
) -> schedules.LearningRateSchedule:
    """Constant pieces: `values[i]` from step `boundaries[i - 1]` on, before step `boundaries[i]`.

    Args:
      values: the rates, one more than the boundaries.
      boundaries: increasing steps, each the first of the next rate; epochs, inside of `by_epoch`.

    Raises:
      UserError: the numbers of rates and boundaries do not fit, or the boundaries do not increase.
    """
    if len(values) != len(boundaries) + 1 or list(boundaries) != sorted(set(boundaries)):
        raise UserError(
            f"piecewise.values = {list(values)}, boundaries = {list(boundaries)}: expected increasing "
            "boundaries and one value more than boundaries."
        )
    return Piecewise([float(v) for v in values], list(boundaries))


@gin.configurable
def linear_scaling(
    rate: LearningRate = gin.REQUIRED,
    reference_batch: int = gin.REQUIRED,
    batch_size: int | None = None,
) -> LearningRate:
    """A rate that was found with one batch size, for another (Goyal et al., 2017, section 2.1).

    The rate grows with the batch: `rate * batch_size / reference_batch`. Nothing scales it unless a recipe
    binds this around its rate, such as `sgd.learning_rate = @linear_scaling()`.

    Args:
      rate: a number or a schedule.
      reference_batch: clips of a step, over all devices, for which it is.
      batch_size: clips of a step here; None for `train.batch_size`.

    Raises:
      UserError: a batch size is not positive, or there is no run that has one.
    """
    if batch_size is None:
        batch_size = run_settings("linear_scaling.batch_size").batch_size
    if min(reference_batch, batch_size) < 1:
        raise UserError(
            f"linear_scaling.reference_batch = {reference_batch}, batch_size = {batch_size}: expected "
            "positive numbers of clips."
        )
    factor = batch_size / reference_batch
    return (
        Scaled(rate, factor) if isinstance(rate, schedules.LearningRateSchedule) else rate * factor
    )


@gin.configurable
def rate_by_shard(rate: LearningRate = gin.REQUIRED, shards: int = gin.REQUIRED) -> LearningRate:
    """A rate that is stated for one shard (a process, a machine, a replica): times the number of shards.

    For publications whose code multiplies its rate so, warm-up included, whatever the batch is. Nothing
    counts the shards: the number is that of the run that is to be followed, not of the devices here.

    Args:
      rate: a number or a schedule, of one shard.
      shards: how many there are.

    Raises:
      UserError: `shards` is below 1.
    """
    if not isinstance(shards, int) or shards < 1:
        raise UserError(f"rate_by_shard.shards = {shards!r}: expected a whole number, 1 or more.")
    return (
        Scaled(rate, shards) if isinstance(rate, schedules.LearningRateSchedule) else rate * shards
    )


def as_schedule(rate: LearningRate | dict) -> schedules.LearningRateSchedule:
    """Returns a schedule as it is, a number as one that does not change, and a serialized one restored."""
    if isinstance(rate, dict):
        return schedules.deserialize(rate)
    return rate if isinstance(rate, schedules.LearningRateSchedule) else Piecewise([rate], [])


def run_settings(asked: str) -> object:
    """Returns the settings of the run that the recipe describes, see `settings.Settings`.

    Args:
      asked: the binding that would make them unnecessary, for the message.

    Raises:
      UserError: there is no run.
    """
    # By its name in recipes: a run knows its schedule, and a schedule no run.
    try:
        run = gin.get_configurable(_RUN)
    except ValueError as error:
        raise UserError(
            f"{asked} is not bound, and without brave_tf.training.settings there is no run to take it from: "
            "bind it, or import that module."
        ) from error
    return run()


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class Scaled(schedules.LearningRateSchedule):
    """A schedule times a number."""

    def __init__(self, schedule: schedules.LearningRateSchedule, factor: float):
        self._schedule, self._factor = as_schedule(schedule), factor

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self._schedule(step) * self._factor

    def get_config(self) -> dict:
        """Returns the schedule, serialized, and the factor."""
        return {"schedule": schedules.serialize(self._schedule), "factor": self._factor}


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class Piecewise(schedules.LearningRateSchedule):
    """See `piecewise`. Keras' own has boundaries belong to the piece before, which fits whole steps only."""

    def __init__(self, values: Sequence[float], boundaries: Sequence[float]):
        self._values, self._boundaries = list(values), list(boundaries)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        rate = tf.constant(self._values[0], tf.float32)
        step = tf.convert_to_tensor(step)
        for boundary, value in zip(self._boundaries, self._values[1:]):
            rate = tf.where(step >= tf.cast(boundary, step.dtype), value, rate)
        return rate

    def get_config(self) -> dict:
        """Returns the rates and the boundaries."""
        return {"values": self._values, "boundaries": self._boundaries}
