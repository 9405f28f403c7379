"""The figures of steps, at intervals: charts, a line for each interval, and a summary at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tqdm

from brave_tf.objectives.base import Objective
from brave_tf.training.monitors.advice import Advice
from brave_tf.training.monitors.charts import Charts
from brave_tf.training.monitors.collapse import CollapseWatch
from brave_tf.training.monitors.moment import Moment, WatchedInputs
from brave_tf.training.monitors.monitor import Monitor
from brave_tf.training.monitors.optimizer_figures import OptimizerFigures
from brave_tf.training.monitors.waiting import InputWatch


class StepLog(Monitor):
    """Writes the means since the last time, and what can be seen in the last step.

    Args:
      objective: that is trained.
      inputs: its clips, and the settings of the run.
      charts: where to.
      advice: takes warnings.
    """

    everywhere = True

    def __init__(self, objective: Objective, inputs: WatchedInputs, charts: Charts, advice: Advice):
        super().__init__()
        self._objective, self._inputs, self._settings = objective, inputs, inputs.settings
        self._charts, self._advice = charts, advice
        self._collapse, self.waiting = CollapseWatch(), InputWatch()
        self._optimizer = OptimizerFigures(objective)
        self._losses: Mapping[str, float] = {}

    def begin(self, moment: Moment) -> None:
        self._first, self._begun = moment.step, time.perf_counter()
        self.start_interval(moment.step)

    def start_interval(self, step: int) -> None:
        """Has the means and the rate begin after a step, and leaves out the time before."""
        self._objective.reset_metrics()
        self._interval_step, self._interval_begun = step, time.perf_counter()

    def leave_out(self, seconds: float) -> None:
        """Leaves time that was spent on something else out of the rate of the interval under way."""
        self._interval_begun += seconds

    def before_step(self, step: int) -> None:
        """Notes what is needed to tell of a step, if it is one that is logged."""
        last = step == self._settings.num_steps
        if self._charts.enabled and (last or step % self._settings.log_every == 0):
            self._optimizer.before_step()

    def due(self, moment: Moment) -> bool:
        return moment.logging

    def act(self, moment: Moment) -> None:
        """Writes and prints an interval, where charts are written, and starts the next one."""
        if self._charts.enabled:
            self._write(moment.step, moment.means)
        self.start_interval(moment.step)

    def _write(self, step: int, means: Mapping[str, float]) -> None:
        now = time.perf_counter()
        seconds = (now - self._interval_begun) / max(step - self._interval_step, 1)
        rate = self._settings.batch_size / seconds
        share = self.waiting.share(seconds, self._advice)
        skipped = self._inputs.skipped.count
        figures = {**means, **self._optimizer.after_step(), **self._spread()}
        figures["throughput/clips_per_second"] = rate
        figures["throughput/seconds_per_step"] = seconds
        figures["input/skipped_clips"] = skipped
        if share is not None:
            figures["input/wait_share"] = share
        self._charts.scalars(figures, step)
        self._losses = {name: means[name] for name in means if name.split("/")[0] == "loss"}
        loss = f"{means['loss']:.4f}" if "loss" in means else "of no clip"
        remaining = tqdm.tqdm.format_interval(seconds * (self._settings.num_steps - step))
        print(
            f"step {step}/{self._settings.num_steps}  loss {loss}  "
            f"{rate:.1f} clips/s  {seconds:.2f} s/step  ETA {remaining}"
            + (f"  {skipped:,} clips skipped" if skipped else ""),
            flush=True,
        )

    def summary(self, step: int) -> str:
        """Returns two lines: how many steps and how fast, and the last losses."""
        seconds, steps = time.perf_counter() - self._begun, step - self._first
        rate = steps * self._settings.batch_size / seconds
        losses = ", ".join(f"{name} {value:.4f}" for name, value in self._losses.items())
        share = self.waiting.mean
        waiting = "" if share is None else f", {share:.0%} of a step waiting for input"
        return (
            f"steps {self._first + 1} to {step} in {tqdm.tqdm.format_interval(seconds)}: {rate:.1f} clips/s"
            f"{waiting}\n{losses}"
        )

    def _spread(self) -> dict[str, float]:
        seen, figures = self._objective.seen, {}
        for group in ("features", "projections"):
            values: dict[str, tf.Tensor] = getattr(seen, group)
            arrays = {view: np.asarray(value, np.float32) for view, value in values.items()}
            figures.update(self._collapse.measure(group, arrays, self._advice))
        return figures
