"""How long something has been waited for, by a process that may have been stopped meanwhile."""

from __future__ import annotations

import time


class Clock:
    """Counts seconds, without those in which the process did not run.

    Ctrl-Z, a scheduler that suspends a job, and a machine that sleeps also stop what is waited for, or at
    least the looks at it. So of the time between two calls of `now` no more counts than `most`.

    Args:
      most: seconds; more than the time between two calls where the process runs.
    """

    def __init__(self, most: float = 2.0):
        self._most = most
        self._seconds = 0.0
        self._last = time.monotonic()

    def now(self) -> float:
        """Returns the seconds since the clock was made. Not for several threads."""
        last, self._last = self._last, time.monotonic()
        self._seconds += min(self._last - last, self._most)
        return self._seconds
