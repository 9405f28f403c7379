"""How often a run has warned, whatever part of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from absl import logging as absl_logging


class WarningCount(logging.Handler):
    """Counts what is logged as a warning or as worse.

    Attributes:
      count: how many there were.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Counts one."""
        self.count += 1


@contextlib.contextmanager
def counted_warnings() -> Iterator[WarningCount]:
    """Counts the warnings of this package, which go through absl, inside the context."""
    counter = WarningCount()
    absl_logging.get_absl_logger().addHandler(counter)
    try:
        yield counter
    finally:
        absl_logging.get_absl_logger().removeHandler(counter)
