"""Values of gin as they are written, and how much they come to once macros and references are in place."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence
from typing import Any

from gin import config_parser

from brave_tf.gin_statements import MACRO, values_in

# Values and calls that all bindings come to.
_MOST_VALUES = 10_000
_MOST_BITS = 1024


class Reference(str):
    """`@scopes/name` or `@scopes/name()`, which looks as it is written."""

    __repr__ = str.__str__

    @property
    def evaluated(self) -> bool:
        """Whether it stands for what a call returns."""
        return self.endswith("()")

    @property
    def scope(self) -> str:
        """Its scopes, with `/` between them."""
        return self[1:].rpartition("/")[0]

    @property
    def name(self) -> str:
        """What it refers to."""
        return self.lstrip("@").removesuffix("()").rpartition("/")[2]


class Macro(str):
    """`%name`, which looks as it is written."""

    __repr__ = str.__str__


class AsWritten(config_parser.ParserDelegate):
    """Has gin's parser give a `Reference` or a `Macro` for each, without a look at what exists."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> str:
        if evaluate and scoped_configurable_name.rpartition("/")[2] in ("macro", MACRO):
            return Macro("%" + scoped_configurable_name.rpartition("/")[0])
        return Reference(f"@{scoped_configurable_name}" + "()" * evaluate)

    def macro(self, macro_name: str) -> Macro:
        return Macro(f"%{macro_name}")


def macro_of(binding: config_parser.BindingStatement) -> str | None:
    """Returns the name of the macro that a statement binds, None where it binds a parameter."""
    if not binding.arg_name:
        return "/".join(filter(None, [binding.scope, binding.selector]))
    return binding.scope if binding.selector in ("macro", MACRO) else None


def check_size(bindings: Sequence[config_parser.BindingStatement]) -> None:
    """Makes sure that bindings can be evaluated.

    Raises:
      ValueError: a macro or a call refers to itself, or they stand for too many values or too large ones.
    """
    sizes = _Sizes(bindings)
    try:
        total = sum(sizes.of(each.value, each.scope) for each in bindings)
    except RecursionError as error:
        raise ValueError("its macros and references are nested too deeply") from error
    if total > _MOST_VALUES:
        raise ValueError("its macros and references stand for too many values")
    for value in (value for each in bindings for value in values_in(each.value)):
        endless = isinstance(value, float) and not math.isfinite(value)
        if endless or (type(value) is int and value.bit_length() > _MOST_BITS):
            raise ValueError("a number in it is beyond any that a model has")


class _Sizes:
    """How many values and calls a value stands for."""

    def __init__(self, bindings: Sequence[config_parser.BindingStatement]):
        self._macros: dict[str, Any] = {}
        self._parameters: dict[str, list[tuple[str, Any]]] = collections.defaultdict(list)
        for each in bindings:
            macro = macro_of(each)
            if macro is None:
                name = each.selector.rpartition(".")[2]
                self._parameters[name].append((each.scope, each.value))
            else:
                self._macros[macro] = each.value
        # (scope, name) -> size; None while it is counted. A macro has its name in place of a scope.
        self._known: dict[tuple[str, str], int | None] = {}

    def of(self, value: Any, scope: str) -> int:
        """Counts a value that is evaluated in a scope."""
        total = 0
        for each in values_in(value):
            total += 1
            if isinstance(each, Macro):
                total += self._of_key(each[1:], MACRO)
            elif isinstance(each, Reference) and each.evaluated:
                total += self._of_key(each.scope or scope, each.name.rpartition(".")[2])
        return total

    def _of_key(self, scope: str, name: str) -> int:
        key = scope, name
        if key not in self._known:
            self._known[key] = None
            self._known[key] = sum(self.of(value, scope) for value in self._bound(*key))
        found = self._known[key]
        if found is None:
            raise ValueError(f"{scope if name == MACRO else name} refers to itself")
        return found

    def _bound(self, scope: str, name: str) -> list[Any]:
        if name == MACRO:
            return [self._macros[scope]] if scope in self._macros else []
        within = f"{scope}/"
        return [v for s, v in self._parameters[name] if not s or within.startswith(f"{s}/")]
