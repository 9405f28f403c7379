"""Values of gin as they are written, and how much they come to once macros and references are in place."""

from __future__ import annotations

import collections
import io
import math
from collections.abc import Sequence
from typing import Any

from gin import config_parser

from brave_tf.configuration import value_types
from brave_tf.configuration.gin_statements import MACRO, values_in

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


def bindings_in(text: str) -> list[config_parser.BindingStatement]:
    """Returns the bindings of a text of gin's."""
    statements = config_parser.ConfigParser(io.StringIO(text), AsWritten())
    return [each for each in statements if isinstance(each, config_parser.BindingStatement)]


def check_size(bindings: Sequence[config_parser.BindingStatement]) -> None:
    """Makes sure that bindings can be evaluated.

    Raises:
      ValueError: a macro or a call refers to itself, or they stand for too many values or too large ones.
    """
    if size_of(bindings) > _MOST_VALUES:
        raise ValueError("its macros and references stand for too many values")
    for value in (value for each in bindings for value in values_in(each.value)):
        endless = isinstance(value, float) and not math.isfinite(value)
        if endless or (type(value) is int and value.bit_length() > _MOST_BITS):
            raise ValueError("a number in it is beyond any that a model has")


def size_of(bindings: Sequence[config_parser.BindingStatement]) -> int:
    """Counts the values and calls that bindings come to.

    Raises:
      ValueError: a macro or a call refers to itself.
    """
    sizes = _Sizes(bindings)
    try:
        return sum(sizes.of(each.value, each.scope) for each in bindings)
    except RecursionError as error:
        raise ValueError("its macros and references are nested too deeply") from error


class _Sizes:
    """How many values and calls a value stands for."""

    def __init__(self, bindings: Sequence[config_parser.BindingStatement]):
        self._macros: dict[str, Any] = {}
        # Configurable -> (parameter, scope) -> value.
        self._parameters: dict[str, dict[tuple[str, str], Any]] = collections.defaultdict(dict)
        for each in bindings:
            macro = macro_of(each)
            if macro is None:
                bound = self._parameters[_whole_name(each.selector)]
                bound[each.arg_name, each.scope] = each.value
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
                total += self._of_key(each.scope or scope, _whole_name(each.name))
        return total

    def _of_key(self, scope: str, name: str) -> int:
        key = scope, name
        if key not in self._known:
            self._known[key] = None
            self._known[key] = sum(self.of(value, scope) for value in self._bound(*key))
        found = self._known[key]
        if found is None:
            raise ValueError(
                f"{scope if name == MACRO else name.rpartition('.')[2]} refers to itself"
            )
        return found

    def _bound(self, scope: str, name: str) -> list[Any]:
        if name == MACRO:
            return [self._macros[scope]] if scope in self._macros else []
        within = f"{scope}/"
        bound = self._parameters[name].items()
        reached = [(key, v) for key, v in bound if not key[1] or within.startswith(f"{key[1]}/")]
        # For each parameter the longest scope wins.
        by_length = sorted(reached, key=lambda item: len(item[0][1]))
        return list({parameter: value for (parameter, _), value in by_length}.values())


def _whole_name(configurable: str) -> str:
    found = value_types.registered(configurable)
    return found.selector if found else configurable.rpartition(".")[2]
