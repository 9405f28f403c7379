"""How far long work is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

import tqdm

_LINE_EVERY = 10.0


class Progress:
    """Counts clips; a context manager.

    Args:
        total: Clips in all.
        done: Clips that were done before, which do not count for the rate.
        file: Where to write; None is stderr.
    """

    def __init__(self, total: int, done: int = 0, file: TextIO | None = None):
        self._file = file or sys.stderr
        self._total, self._done, self._before = total, done, done
        self._failed = 0
        self._began = self._last = time.monotonic()
        self._bar = None
        if self._file.isatty():
            self._bar = tqdm.tqdm(
                total=total, initial=done, unit=" clips", file=self._file, dynamic_ncols=True
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, failed: bool) -> None:
        """Counts one more clip."""
        self._done += 1
        self._failed += failed
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._failed} failed", refresh=False)
            self._bar.update()
        elif time.monotonic() - self._last >= _LINE_EVERY:
            self._last = time.monotonic()
            rate = (self._done - self._before) / (self._last - self._began)
            left = tqdm.tqdm.format_interval((self._total - self._done) / rate)
            print(
                f"{self._done}/{self._total} clips, {rate:.1f} clips/s, {left} left, {self._failed} failed",
                file=self._file,
                flush=True,
            )
