"""The error that bad input raises."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable


class UserError(ValueError):
    """Input that cannot be used: the message names it, what was expected, and what to do.

    Attributes:
      exit_code: that of the commands that end for it.
    """

    exit_code = 2


class LostInputError(UserError):
    """What input comes from, a service or storage, does not answer any more; a run can be resumed."""

    # That of a service that is not available in sysexits.h.
    exit_code = 69


def check_seconds(name: str, value: object) -> None:
    """Makes sure that the value of a binding is a positive number of seconds.

    Raises:
      UserError: it is not.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 < value < math.inf):
        raise UserError(f"{name} = {value!r}: expected a positive number of seconds.")


def message(error: BaseException) -> str:
    """Returns the message without what gin adds to it, addresses of the functions it came through."""
    return re.sub(r"\n\s*In call to configurable .*", "", str(error)).strip()


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean a, b?" for the known names nearest to `name`, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {', '.join(matches)}?" if matches else ""
