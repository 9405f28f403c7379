"""Signals and progress of a process that waits in native code, which hears nothing and says nothing.

Python handles a signal when native code returns. A read from a file system that hangs may never do that.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time

from brave_tf.process import progress

_LOOK_EVERY = 1.0
# A process is idle while it takes no more than this share of one core.
_IDLE = 0.02
_TELL_AFTER = 60.0
_PATIENCE = 5.0
_STOP = b"\0"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_OTHERS = "a file system, the network or another process"

# Seconds that an idle process has to end after a signal.
_patience = _PATIENCE


def heard(patience: float) -> None:
    """Tells that Python handles a signal, for handlers to call.

    Args:
      patience: seconds that the process may be idle from now on until it ends, such as for the disk that it
        saves to.
    """
    global _patience
    _patience = patience


class Watch:
    """Inside `with`, says how long the process has been idle, and has signals end it where it is.

    An idle process waits for a file system, the network or another process. The first line comes after
    60 s, each further one after twice the time. SIGINT and SIGTERM that nothing in Python handles end an
    idle process after 5 s, with 130 or 143; one that computes is left to come to the signal.

    Args:
      tells: False for a command that is there to wait, of which nothing is said.
    """

    def __init__(self, tells: bool = True):
        self._tells = tells
        self._busy_at, self._looked_at, self._used = time.monotonic(), time.monotonic(), 0.0

    def __enter__(self) -> Watch:
        heard(_PATIENCE)
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)
        self._before = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        # A daemon, as it must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(self._before)
        self._theirs.setblocking(True)
        self._theirs.send(_STOP)
        self._thread.join()
        self._ours.close()
        self._theirs.close()

    def _run(self) -> None:
        asked, asked_at, tell_after = 0, 0.0, _TELL_AFTER
        while True:
            came = b""
            if select.select([self._ours], [], [], _LOOK_EVERY)[0]:
                came = self._ours.recv(64)
            if _STOP in came:
                return
            signals = [number for number in came if number in _SIGNALS]
            if signals and not asked:
                asked, asked_at = signals[0], time.monotonic()
            idle = self._idle()
            if asked and min(idle, time.monotonic() - asked_at) >= _patience:
                name = signal.Signals(asked).name
                _say(f"\n{name}: ended {_where()}, after {idle:.0f} s of waiting for {_OTHERS}")
                os._exit(128 + asked)
            tell_after = tell_after if idle >= _TELL_AFTER else _TELL_AFTER
            if self._tells and idle >= tell_after:
                _say(f"{_where()}: waiting for {_OTHERS} for {idle:.0f} s")
                tell_after *= 2

    def _idle(self) -> float:
        """Returns the seconds since the process did something."""
        now, used = time.monotonic(), time.process_time()
        if used - self._used > _IDLE * (now - self._looked_at):
            self._busy_at = now
        self._looked_at, self._used = now, used
        return now - max(self._busy_at, progress.moved_at())


def _where() -> str:
    return progress.under_way() or os.path.basename(sys.argv[0])


def _say(text: str) -> None:
    # Not by print, which the main thread may be at.
    os.write(2, f"{text}\n".encode())
