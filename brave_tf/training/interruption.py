"""Signals that stop a run: Ctrl-C, and SIGTERM, by which machines that are taken away give notice."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

# Exit codes are 128 + the number of the signal, as shells count.
INTERRUPTED = 128 + signal.SIGINT
PREEMPTED = 128 + signal.SIGTERM


class Interruption:
    """Inside `with`, a signal asks a run to stop after the step under way; the run then saves and ends.

    Before the first step there is nothing to save: then the signal ends the process at once, and so does
    Ctrl-C after another signal. SIGTERM after another signal changes nothing, for it comes twice where
    both a process and its group are told.

    Attributes:
      exit_code: None while nothing was asked; then INTERRUPTED (130) or PREEMPTED (143).
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._under_way = False

    def __enter__(self) -> Interruption:
        signals = (signal.SIGINT, signal.SIGTERM)
        self._before = {each: signal.signal(each, self._handle) for each in signals}
        return self

    def __exit__(self, *error: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def under_way(self) -> None:
        """Tells that there is something to save from now on."""
        self._under_way = True

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        again = self.exit_code is not None
        self.exit_code = self.exit_code or 128 + signum
        if again and signum == signal.SIGTERM:
            return
        if again or not self._under_way:
            raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(self.exit_code)
        name = signal.Signals(signum).name
        text = f"\n{name}: stopping after this step; press Ctrl-C to abort without saving\n"
        # Not by print, which may be at work where the signal came.
        with contextlib.suppress(OSError):
            os.write(1, text.encode())
