"""Learning rate schedules: what recipes use of Keras', under the names and defaults of the field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import gin
import tensorflow as tf

from brave_tf.errors import UserError

schedules = tf.keras.optimizers.schedules

LearningRate = Union[float, schedules.LearningRateSchedule]


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
      boundaries: increasing steps, each the first of the next rate.

    Raises:
      UserError: the numbers of rates and boundaries do not fit, or the boundaries do not increase.
    """
    if len(values) != len(boundaries) + 1 or list(boundaries) != sorted(set(boundaries)):
        raise UserError(
            f"piecewise.values = {list(values)}, boundaries = {list(boundaries)}: expected increasing "
            "boundaries and one value more than boundaries."
        )
    # Keras' boundaries are the last steps of a piece.
    last_steps = [step - 1 for step in boundaries]
    return schedules.PiecewiseConstantDecay(last_steps, [float(v) for v in values])
