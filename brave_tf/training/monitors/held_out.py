"""The loss on held-out clips."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable

import tensorflow as tf

from brave_tf.objectives.base import Objective
from brave_tf.training.monitors.advice import Advice
from brave_tf.training.monitors.charts import HELD_OUT, Charts
from brave_tf.training.monitors.memorising import MemorisingWatch


class HeldOutLoss:
    """Measures the loss on held-out clips, in inference mode, and compares it with that in training.

    Args:
      objective: that is trained.
      batches: endless, distributed; the same ones again and again.
      count: how many of them are one measurement.
      next_batch: takes one from an iterator over them.
      charts: where to.
      advice: takes warnings.
    """

    def __init__(
        self,
        objective: Objective,
        batches: Iterable,
        count: int,
        next_batch: Callable[[Iterator], Any],
        charts: Charts,
        advice: Advice,
    ):
        self._objective, self._count, self._next_batch = objective, count, next_batch
        self._charts, self._advice = charts, advice
        self._memorising = MemorisingWatch()
        self._batches, self._iterator = batches, None
        self._test = tf.function(self._logs_of, reduce_retracing=True)
        self._losses: dict[int, float] = {}

    def resume(self, losses: Mapping[int, float]) -> None:
        """Takes step -> loss that was measured before the run was resumed."""
        self._losses.update(losses)

    def measure(self, step: int, training: float | None) -> float | None:
        """Returns the mean loss of the batches; None if it is not finite or of no clip. Resets the metrics
        before.

        Args:
          step: the last one.
          training: the loss in training, the mean of the last steps; None if it is of no clip.
        """
        # Not before it is needed, as it starts to make clips.
        self._iterator = self._iterator or iter(self._batches)
        self._objective.reset_metrics()
        for _ in range(self._count):
            logs = self._test(self._next_batch(self._iterator))
        figures = self._objective.figures(logs)
        self._charts.scalars(figures, step, HELD_OUT)
        loss = figures.get("loss")
        if loss is None:
            self._advice.give(
                "held-out loss",
                f"step {step}: none of the clips that are held out counts for the loss, so that no "
                "checkpoint is the best: hold out clips with labels.",
            )
            return None
        if not math.isfinite(loss):
            self._advice.give(
                "held-out loss",
                f"step {step}: the loss on held-out clips is {loss}, though that in training is finite: look "
                "at these clips with brave_tf_inspect, and at the averages of normalisation layers.",
            )
            return None
        if training is not None:
            self._memorising.compare(step, training, loss, self._advice)
        self._losses[step] = loss
        return loss

    def _logs_of(self, batch: Mapping) -> dict[str, tf.Tensor]:
        step, strategy = self._objective.test_step, self._objective.distribute_strategy
        if self._objective.jit_compile:
            step = tf.function(step, jit_compile=True, reduce_retracing=True)
        logs = strategy.run(step, args=(batch,))
        return tf.nest.map_structure(lambda x: strategy.experimental_local_results(x)[0], logs)

    def summary(self) -> str:
        """Returns one line: the last loss and the lowest; an empty one if none was measured."""
        if not self._losses:
            return ""
        last, best = max(self._losses), min(self._losses, key=self._losses.get)
        return f"held-out loss {self._losses[last]:.4f}, lowest {self._losses[best]:.4f} at step {best}"
