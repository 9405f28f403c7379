"""Warnings with advice, each given once a run."""

from __future__ import annotations

import collections

from absl import logging


class Advice:
    """Gives each piece of advice once, and remembers what about.

    Args:
      quiet: give none, where another process does.

    Attributes:
      given: what was warned about, in order.
    """

    def __init__(self, quiet: bool = False):
        self._quiet = quiet
        self.given: list[str] = []

    def give(self, about: str, message: str) -> None:
        """Warns, unless there was a warning about the same before."""
        if not self._quiet and about not in self.given:
            self.given.append(about)
            logging.warning("%s", message)

    def summary(self, warnings: int = 0) -> str:
        """Returns one line: what was warned about.

        Args:
          warnings: how many there were in all, those of others too.
        """
        others = warnings - len(self.given)
        parts = [f"warned about: {', '.join(self.given)}"] if self.given else []
        if others > 0:
            more = "other " if parts else ""
            parts.append(f"{others} {more}warning{'s' if others > 1 else ''} above")
        return "; ".join(parts) or "no warnings"


class Streak:
    """Tells what has gone on for long.

    Args:
      patience: how many times in a row are long.
    """

    def __init__(self, patience: int):
        self._patience = patience
        self._counts: collections.Counter[str] = collections.Counter()

    def lasts(self, what: str, now: bool) -> bool:
        """Counts one more time that `what` is so, or that it is not; returns whether it has been for long."""
        self._counts[what] = self._counts[what] + 1 if now else 0
        return self._counts[what] >= self._patience
