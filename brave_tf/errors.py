"""The error that bad input raises."""

from __future__ import annotations

import contextlib
import difflib
import math
import os
import re
from collections.abc import Iterable, Iterator

from brave_tf import moved


class UserError(ValueError):
    """Input that cannot be used: the message names it, what was expected, and what to do.

    Attributes:
      exit_code: that of the commands that end for it.
    """

    exit_code = 2


class ArgumentError(UserError):
    """The value of an argument cannot be used.

    Where it is raised nobody knows which flag or binding gave the value; who does says so, see `named`.

    Attributes:
      argument: name of the argument.
      value: what it is.
      problem: what is wrong with it, what was expected, and what to do.
    """

    def __init__(self, argument: str, value: object, problem: str):
        super().__init__(argument, value, problem)
        self.argument, self.value, self.problem = argument, value, problem
        # A list: gin raises a stand-in for an error that comes through it, which shares what this one holds.
        self._given: list[str] = []

    def __str__(self) -> str:
        if self._given:
            return f"{self._given[-1].format(self.value)}: {self.problem}"
        is_text = isinstance(self.value, (str, os.PathLike))
        return f"{self.value if is_text else f'{self.argument} = {self.value!r}'}: {self.problem}"

    def give(self, form: str) -> None:
        """Says what gave the argument its value, with the value as the field of the form."""
        self._given.append(form)

    def __reduce__(self) -> tuple:
        return type(self), (self.argument, self.value, self.problem)


@contextlib.contextmanager
def named(**forms: str) -> Iterator[None]:
    """Has errors about arguments say what gave them their values.

    Args:
      **forms: argument -> how it was given, with the value as the field, such as `input="--input={}"` or
        `service="train.data_service = {!r}"`.
    """
    try:
        yield
    except ArgumentError as error:
        if error.argument in forms:
            error.give(forms[error.argument])
        raise


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


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean a, b?" for the known names nearest to `name`, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {', '.join(matches)}?" if matches else ""


__getattr__ = moved.attributes(__name__, [__name__])
