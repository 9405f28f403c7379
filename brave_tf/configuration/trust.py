"""The Python modules that the user has named, and which a model from elsewhere may therefore use."""

from __future__ import annotations

from collections.abc import Iterable

# For the whole process, as what Python has imported is.
_named: set[str] = set()


def allow(modules: Iterable[str]) -> None:
    """Lets the configurations of models import these modules and what is in them, and use their parts."""
    _named.update(modules)


def covers(module: str) -> bool:
    """Whether the user has named a module, or a package that it is in."""
    parts = module.split(".")
    return any(".".join(parts[:end]) in _named for end in range(1, len(parts) + 1))
