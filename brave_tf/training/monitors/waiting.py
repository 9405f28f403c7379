"""The share of the time of steps that is spent waiting for their batches."""

from __future__ import annotations

import math

import gin
import numpy as np

from brave_tf.training.monitors.advice import Advice, Streak


@gin.configurable
class InputWatch:
    """Tells how much of a step is waiting for input, and warns when it is too much for long.

    A step asks for its batch when it starts. Where devices work on while the host prepares the next step, the
    host's waiting is not theirs, and only steps that begin with idle devices count: see `count`.

    Args:
      most: the highest share that is not warned about, in [0, 1].
      patience: how many logs in a row have to be above.
    """

    def __init__(self, most: float = 0.2, patience: int = 3):
        self._most = most
        self._streak = Streak(patience)
        self._waited: list[float] = []
        self._shares: list[float] = []

    def count(self, seconds: float) -> None:
        """Counts a step that began with idle devices and waited so long; NaN counts for none."""
        if not math.isnan(seconds):
            self._waited.append(seconds)

    def share(self, seconds_per_step: float, advice: Advice) -> float | None:
        """Returns the share since the last call, in [0, 1]; None when no step counts."""
        if not self._waited:
            return None
        share = min(float(np.mean(self._waited)) / seconds_per_step, 1.0)
        self._waited.clear()
        self._shares.append(share)
        if self._streak.lasts("waiting", share > self._most):
            advice.give(
                "waiting for input",
                f"{share:.0%} of the time of a step is spent waiting for clips. Prepare records instead of "
                "reading media files, store smaller frames (brave_tf_prepare --min_side), take cheaper "
                "augmentations, use more CPU cores, or decode on other machines (brave_tf_data_service); "
                "`python -m bench pipeline` tells what a machine can decode.",
            )
        return share

    @property
    def mean(self) -> float | None:
        """The mean of the shares so far; None when there are none."""
        return float(np.mean(self._shares)) if self._shares else None
