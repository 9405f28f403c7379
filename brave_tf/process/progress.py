"""How far long work is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TextIO

import tqdm

_LINE_EVERY = 10.0
# What is counted at the moment, and when something was counted last.
_open: list[Progress] = []
_moved_at = 0.0


def under_way() -> str:
    """Returns the description of what is counted at the moment, empty where nothing is."""
    return " ".join(each.description for each in _open[-1:])


def moved_at() -> float:
    """Returns when something was counted last, in seconds of `time.monotonic`."""
    return _moved_at


class Progress:
    """Counts things done; a context manager.

    Args:
      total: How many in all; None when nobody knows.
      description: What is done.
      unit: What is counted.
      done: How many were done before, which do not count for the rate.
      file: Where to write; None is stderr.
    """

    def __init__(
        self,
        total: int | None,
        description: str,
        unit: str = "clips",
        done: int = 0,
        file: TextIO | None = None,
    ):
        self._file = file or sys.stderr
        self._total, self._done, self._before = total, done, done
        self.description, self._unit = description, unit
        self._failed = 0
        self._began = self._last = time.monotonic()
        self._bar = None
        if self._file.isatty():
            self._bar = tqdm.tqdm(
                desc=description,
                total=total,
                initial=done,
                unit=f" {unit}",
                file=self._file,
                dynamic_ncols=True,
            )

    def __enter__(self) -> Progress:
        _open.append(self)
        return self

    def __exit__(self, *_) -> None:
        _open.remove(self)
        if self._bar is not None:
            self._bar.close()

    def add(self, count: int = 1, failed: int = 0) -> None:
        """Counts `count` more, of which `failed` failed."""
        global _moved_at
        _moved_at = time.monotonic()
        self._done += count
        self._failed += failed
        if self._bar is not None:
            if self._failed:
                self._bar.set_postfix_str(f"{self._failed} failed", refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last >= _LINE_EVERY:
            self._last = time.monotonic()
            # The work does not depend on who looks on.
            with contextlib.suppress(OSError):
                print(self._line(), file=self._file, flush=True)

    def _line(self) -> str:
        rate = (self._done - self._before) / (self._last - self._began)
        parts = [f"{self.description}: {self._done}", f" {self._unit}, {rate:.1f} per second"]
        if self._total is not None:
            left = tqdm.tqdm.format_interval((self._total - self._done) / max(rate, 1e-9))
            parts = [parts[0], f"/{self._total}", *parts[1:], f", {left} left"]
        if self._failed:
            parts.append(f", {self._failed} failed")
        return "".join(parts)
