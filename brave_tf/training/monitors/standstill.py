"""A run whose weights do not move."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import gin
import numpy as np
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.objectives.base import GRADIENT_NORM, Objective
from brave_tf.training.monitors.advice import Advice
from brave_tf.training.monitors.moment import Moment
from brave_tf.training.monitors.monitor import Monitor
from brave_tf.training.monitors.optimizer_figures import learning_rate


class StandstillError(UserError):
    """The weights of a run do not move."""


@gin.configurable
class StandstillWatch(Monitor):
    """Stops a run whose trainable weights have not moved for many steps, because none was applied.

    It looks at every log and checkpoint, and starts counting again when a run is resumed. The default leaves
    room for the first steps of a warm-up, whose learning rate is 0, and for the search for a loss scale,
    which takes up to 15. Steps that become too small to move weights at the end of a schedule are a warning.

    Args:
      steps: how many steps in a row without movement stop the run.

    Raises:
      UserError: `steps` is no whole number of at least 1.
    """

    everywhere = True

    def __init__(self, steps: int = 30):
        super().__init__()
        if not isinstance(steps, int) or steps < 1:
            raise UserError(
                f"StandstillWatch.steps = {steps!r}: expected a whole number of at least 1."
            )
        self._steps = steps

    def begin(self, moment: Moment) -> None:
        self.start(moment.objective, moment.step, moment.advice)

    def due(self, moment: Moment) -> bool:
        return moment.logging or moment.saving

    def act(self, moment: Moment) -> None:
        """Looks at the weights, and concludes at the end.

        Raises:
          StandstillError: they have not moved for long.
        """
        self.look(moment.step, moment.means)
        if moment.last:
            self.conclude(moment.step, moment.means)

    def start(self, objective: Objective, step: int, advice: Advice) -> None:
        """Begins after a step; warnings go to `advice`."""
        self._objective, self._begun, self._moved = objective, step, step
        self._advice = advice
        self._weights = _digest(objective)

    def look(self, step: int, means: Mapping[str, float]) -> None:
        """Looks after a step.

        Args:
          step: the last one.
          means: of the steps since the last log; no norm of gradients if loss scaling left all out.

        Raises:
          StandstillError: the weights have not moved for long.
        """
        weights = _digest(self._objective)
        if weights != self._weights:
            self._weights, self._moved = weights, step
            return
        if step - self._moved < self._steps:
            return
        said = f"step {step}: no weight has moved since step {self._moved}"
        why = self._why(means)
        if why is None and self._moved > self._begun:
            self._advice.give("standstill", f"{said}: {self._too_small()}.")
            return
        raise StandstillError(
            f"{said}: {why or self._too_small()}. Start again with another --model_dir, or with "
            "--allow_changes; StandstillWatch.steps says how long is waited."
        )

    def conclude(self, step: int, means: Mapping[str, float]) -> None:
        """Warns at the end of a run, of more steps than one, in all of which no weight has moved."""
        if self._moved == self._begun and step > self._begun + 1:
            why = self._why(means) or self._too_small()
            self._advice.give(
                "standstill",
                f"no weight has moved in the steps {self._begun + 1} to {step}: {why}.",
            )

    def _why(self, means: Mapping[str, float]) -> str | None:
        """What keeps steps from being applied; None if nothing does."""
        optimizer = self._objective.optimizer
        scaled = isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer)
        if scaled and GRADIENT_NORM not in means:
            return (
                "gradients are not finite in float16, and every step was left out, down to a loss scale of "
                f"{float(optimizer.loss_scale):g}. Bind train.precision = 'mixed_bfloat16' or 'float32', or "
                "a smaller loss (loss_scale of the objective)"
            )
        if "loss" not in means:
            return "no clip counts for the loss: prepare clips with labels"
        if not means.get(GRADIENT_NORM):
            return "all gradients are 0: look at what the loss depends on, and at layers that are frozen"
        if not float(learning_rate(optimizer)):
            return "the learning rate is 0: look at its schedule"
        return None

    def _too_small(self) -> str:
        return (
            "the steps are too small for the weights, at a learning rate of "
            f"{float(learning_rate(self._objective.optimizer)):g}: raise it, and look at the optimizer's "
            "multipliers"
        )


def _digest(objective: Objective) -> int:
    digest = 0
    for variable in objective.trainable_variables:
        digest = zlib.crc32(np.ascontiguousarray(variable), digest)
    return digest
