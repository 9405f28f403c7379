"""Parameters of tests that are many of one kind and take long: CI runs some, `make test-all` all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def some_long(values: Iterable[Any], long: Collection[Any]) -> list:
    """Marks each value as `long` if it is one of those that CI runs, and as `series` otherwise."""
    values = list(values)
    assert set(long) <= set(values), "a value that there is not"
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=pytest.mark.long if value in long else pytest.mark.series,
        )
        for value in values
    ]
