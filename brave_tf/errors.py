"""The error that bad input raises, and how console commands show it."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from typing import Callable


class UserError(ValueError):
    """Input that cannot be used: the message names it, what was expected, and what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean a, b?" for the known names nearest to `name`, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {', '.join(matches)}?" if matches else ""


def run_main(main: Callable[[list[str]], int | None]) -> None:
    """Runs the `main` of a console command under absl; a UserError becomes a message and exit code 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from absl import app

    def guarded(argv: list[str]) -> int | None:
        if len(argv) > 1:
            return fail(
                f"unexpected arguments {argv[1:]}: every option is a --flag=value, see --help."
            )
        try:
            return main(argv)
        except UserError as error:
            return fail(str(error))

    app.run(guarded)


def fail(message: str) -> int:
    """Prints `message` to stderr as an error and returns the exit code of unusable input."""
    print(f"error: {message}", file=sys.stderr)
    return 2
