"""Checks the contents of JSON that anyone may have written, before they are used."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Callable, Union

# Of a text that is shown in messages.
_SHOWN = 60
_MOST_COUNT = 2**63


@dataclasses.dataclass(frozen=True)
class Optional:
    """A value that may be missing or null, and otherwise is as expected."""

    expected: Expected


@dataclasses.dataclass(frozen=True)
class MappingOf:
    """An object of any names whose values are all as expected."""

    expected: Expected


# A function that raises ValueError with what it expects; [expected], a list of such values; or
# {name: expected}, an object that has these names, and may have others.
Expected = Union[Callable[[Any], None], list, Mapping, Optional, MappingOf]


def check(value: Any, expected: Expected, where: str = "it") -> None:
    """Makes sure that a value is of the kind that its reader counts on.

    Args:
      value: as `json.loads` returns it.
      expected: the kind, see `Expected`.
      where: what the message calls the value.

    Raises:
      ValueError: it is not; the message names the place and what is expected there.
    """
    if isinstance(expected, Optional):
        if value is not None:
            check(value, expected.expected, where)
    elif isinstance(expected, MappingOf):
        for name, each in _as(value, dict, where).items():
            _run(path, name, f"a name in {where}")
            check(each, expected.expected, f"{where}[{_shown(name)}]")
    elif isinstance(expected, Mapping):
        _as(value, dict, where)
        for name, kind in expected.items():
            if name not in value and not isinstance(kind, Optional):
                raise ValueError(f"{where} has no {name!r}")
            check(value.get(name), kind, f"{where}[{name!r}]")
    elif isinstance(expected, list):
        for number, each in enumerate(_as(value, list, where)):
            check(each, expected[0], f"{where}[{number}]")
    else:
        _run(expected, value, where)


def text(value: Any) -> None:
    """Expects a text that UTF-8 can hold, without NUL."""
    _encoded(value, "strict")


def path(value: Any) -> None:
    """Expects a text, or a file name whose bytes are no text, as Python represents it."""
    _encoded(value, "surrogateescape")


def file_name(value: Any) -> None:
    """Expects the name of a file in the folder that the JSON is in."""
    path(value)
    if value in ("", ".", "..") or "/" in value or "\\" in value:
        raise ValueError("the name of a file beside it")


def number(value: Any) -> None:
    """Expects a number that a float can hold; NaN and infinity pass."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a number")
    try:
        float(value)
    except OverflowError as error:
        raise ValueError("a number that is not so large") from error


def count(value: Any) -> None:
    """Expects a whole number from 0 on, of no more than 63 bits."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 0 <= value < _MOST_COUNT:
        raise ValueError("a whole number from 0 on")


def truth(value: Any) -> None:
    """Expects true or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")


def _encoded(value: Any, errors: str) -> None:
    if not isinstance(value, str):
        raise ValueError("a text")
    try:
        whole = b"\0" not in value.encode("utf-8", errors)
    except UnicodeEncodeError:
        whole = False
    if not whole:
        raise ValueError("a text without NUL or unpaired surrogates")


def _as(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        name = {dict: "an object", list: "a list"}[kind]
        raise ValueError(f"{where} is {_shown(value)}, expected {name}")
    return value


def _run(kind: Callable[[Any], None], value: Any, where: str) -> None:
    try:
        kind(value)
    except ValueError as error:
        raise ValueError(f"{where} is {_shown(value)}, expected {error}") from error


def _shown(value: Any) -> str:
    # Python refuses to write numbers of thousands of digits.
    long = isinstance(value, int) and value.bit_length() > 4 * _SHOWN
    said = ascii(value) if not long else "a number of many digits"
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."
