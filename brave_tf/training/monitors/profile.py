"""A profile trace of some steps."""

from __future__ import annotations

import pathlib
import re

import tensorflow as tf

from brave_tf import errors
from brave_tf.training.monitors.moment import Moment
from brave_tf.training.monitors.monitor import Monitor

# A trace grows with every operation of every step.
_MOST_STEPS = 50


class Profile(Monitor):
    """Traces the steps from `first` to `last`, for TensorBoard's profile page.

    Args:
      folder: of a run of TensorBoard.
      first: step that is traced first, from 1 on.
      last: step that is traced last.
    """

    reads_means = False

    def __init__(self, folder: pathlib.Path, first: int, last: int):
        super().__init__()
        self._folder, self._first, self._last = folder, first, last
        self._under_way = False

    def before_step(self, step: int) -> None:
        """Starts before the first step."""
        if step == self._first:
            tf.profiler.experimental.start(str(self._folder))
            self._under_way = True

    def due(self, moment: Moment) -> bool:
        return self._under_way and (moment.last or moment.step >= self._last)

    def act(self, moment: Moment) -> None:
        self.after_step(moment.step, moment.last)

    def after_step(self, step: int, last: bool) -> None:
        """Writes the trace after the last step, or after the last one that there is."""
        if self._under_way and (last or step >= self._last):
            tf.profiler.experimental.stop()
            self._under_way = False
            print(f"profile of steps {self._first} to {step}: {self._folder}", flush=True)


def parse_steps(text: str) -> tuple[int, int]:
    """Returns the first and the last step of 'FIRST:LAST'.

    Raises:
      UserError: it is something else, or too many steps.
    """
    match = re.fullmatch(r"(\d+):(\d+)", text)
    first, last = map(int, match.groups()) if match else (0, 0)
    if not 1 <= first <= last < first + _MOST_STEPS:
        raise errors.UserError(
            f"--profile={text}: expected FIRST:LAST, at most {_MOST_STEPS} steps from 1 on, such as 100:105."
        )
    return first, last
