"""Standard input, output and errors, which need not be there, or not for as long as the process."""

from __future__ import annotations

import os
import stat
import sys
from typing import TextIO

_NAMES = ("stdin", "stdout", "stderr")


def stand_in_for_closed() -> None:
    """Opens the null device where the process was started without input, output or errors, as by `>&-`.

    The files that are opened next would get their numbers, and whatever prints would write to these.
    """
    for number, name in enumerate(_NAMES):
        try:
            os.fstat(number)
        except OSError:
            # The system gives the lowest number that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def leave_terminal() -> None:
    """Has output and errors go nowhere if they went to a terminal: writing to one that is gone fails."""
    for number in (1, 2):
        # A terminal that is gone does not say any more that it was one.
        if stat.S_ISCHR(os.fstat(number).st_mode):
            discard(number)


def discard(number: int) -> None:
    """Has what is written to a file descriptor go nowhere from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


def is_lost(stream: TextIO) -> bool:
    """Returns whether a stream, which gets an empty line, cannot be written to, as on a full disk."""
    try:
        stream.write("\n")
        stream.flush()
    except OSError:
        return True
    return False
