"""Checkpoints, each with a measurement of the loss on held-out clips."""

from __future__ import annotations

from typing import Callable

from brave_tf.training.monitors.held_out import HeldOutLoss
from brave_tf.training.monitors.moment import Moment
from brave_tf.training.monitors.monitor import Monitor


class Saving(Monitor):
    """Saves a checkpoint at intervals and at the end of what a process trains.

    Args:
      save: saves the state, with the loss on held-out clips where that was measured.
      held_out: measures it; None for no measurement.
    """

    everywhere = True

    def __init__(self, save: Callable[[float | None], None], held_out: HeldOutLoss | None):
        super().__init__()
        self._save, self._held_out = save, held_out

    def due(self, moment: Moment) -> bool:
        return moment.saving

    def act(self, moment: Moment) -> None:
        """Measures and saves; if the run is asked to stop it saves alone."""
        # Who takes the machine away does not wait for a measurement.
        if moment.stopping:
            self._save(None)
            return
        loss = self._held_out and self._held_out.measure(moment.step, moment.means.get("loss"))
        self._save(loss)
        if moment.charts.enabled and loss is not None:
            print(f"step {moment.step}/{moment.num_steps}  held-out loss {loss:.4f}", flush=True)

    def summary(self, step: int) -> str:
        return self._held_out.summary() if self._held_out else ""
