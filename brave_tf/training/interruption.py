"""Signals that stop a run: Ctrl-C, SIGTERM, by which machines that are taken away give notice, and SIGHUP, by
which terminals do."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Callable

from brave_tf.process import streams, unheard

# Exit codes are 128 + the number of the signal, as shells count.
INTERRUPTED = 128 + signal.SIGINT
PREEMPTED = 128 + signal.SIGTERM
HUNG_UP = 128 + signal.SIGHUP

# So long the disk may take to answer while a run saves.
_SAVING_SECONDS = 300.0


class Interruption:
    """Inside `with`, a signal asks a run to stop after the step under way; the run then saves and ends.

    A step that still waits for its batch is not under way.

    Before the first step there is nothing to save: then the signal ends the process at once, and so does
    Ctrl-C after another signal. Others after a signal change nothing, for they come twice where both a
    process and its group are told. SIGHUP stays ignored where the process was started so, as by `nohup`.

    Attributes:
      exit_code: None while nothing was asked; then INTERRUPTED (130), PREEMPTED (143) or
        HUNG_UP (129).
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._under_way = False

    def __enter__(self) -> Interruption:
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signals.append(signal.SIGHUP)
        self._before = {each: signal.signal(each, self._handle) for each in signals}
        return self

    def __exit__(self, *error: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def under_way(self) -> None:
        """Tells, after each step, that there is something to save from now on."""
        self._under_way = True

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, signals end the process at once, where TensorFlow waits without a look at them."""
        handlers = {each: signal.signal(each, signal.SIG_DFL) for each in self._before}
        try:
            yield
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        unheard.heard(_SAVING_SECONDS)
        again = self.exit_code is not None
        self.exit_code = self.exit_code or 128 + signum
        if signum == signal.SIGHUP:
            streams.leave_terminal()
        if again and signum != signal.SIGINT:
            return
        if again or not self._under_way:
            raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(self.exit_code)
        name = signal.Signals(signum).name
        text = f"\n{name}: stopping after this step; press Ctrl-C to abort without saving\n"
        # Not by print, which may be at work where the signal came.
        with contextlib.suppress(OSError):
            os.write(1, text.encode())


class SharedInterruption:
    """The interruption of several processes, which all stop after the same step when one is asked to.

    Args:
      own: that of this process, which is asked to stop with the others.
      total: returns the sums over all processes of the numbers that each calls it with.

    Attributes:
      exit_code: as in `Interruption`.
    """

    def __init__(self, own: Interruption, total: Callable[[Sequence[float]], Sequence[float]]):
        self.exit_code: int | None = None
        self._own = own
        self._total = total

    def under_way(self) -> None:
        """Does, after each step, what that of an interruption does; all processes have to call it."""
        self._own.under_way()
        codes = (PREEMPTED, INTERRUPTED, HUNG_UP)
        asked = self._total([float(self._own.exit_code == code) for code in codes])
        self.exit_code = next((code for code, count in zip(codes, asked) if count), None)
        self._own.exit_code = self.exit_code or self._own.exit_code
