"""Bindings that gin takes without a word and that would do nothing, or not what they say, are errors.

What the package's own files bind is trusted: its overlays go with recipes that do not use all of it.
"""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from brave_tf import errors
from brave_tf.configuration import annotations, value_types
from brave_tf.configuration.gin_statements import MACRO, RECIPE, Binding, Reference, values_in

# What a run is made of: used where a reference of the configuration names it, and nowhere else.
_CHOSEN = re.compile(
    r"brave_tf\.(?:objectives|data\.views|training\.optimizers|models(?!\.heads|\.norm))\."
)

# The base class of what `train.monitors` names beside what every run has.
_MONITOR = ("brave_tf.training.monitors.monitor", "Monitor")

# What Python calls outside of any scope, whatever it is a part of.
_UNSCOPED = re.compile(
    r"brave_tf\.(?:evaluation|objectives|models\.heads|data\.(?!views|log_mel)|training\.(?!optimizers\.schedules))"
)


class NoEffectError(errors.UserError):
    """A binding of the user would have no effect; `binding` is where it stands, and what it binds."""

    def __init__(self, message: str, binding: str = ""):
        super().__init__(message)
        self.binding = binding


def check_chosen(bindings: Sequence[Binding], elsewhere: Container[str] = ()) -> None:
    """Refuses bindings of the user for a part that the recipe has not chosen, such as another optimizer.

    It is for what trains: an evaluation may have parts of its own.

    The arguments are those of `check`.

    Raises:
      NoEffectError: for the first one.
    """
    history = _History(bindings)
    for index in history.last.values():
        binding, selector = bindings[index], history.selectors[index]
        if not (_of_user(binding) and _is_chosen(selector)) or _named(binding) in elsewhere:
            continue
        chosen = history.chosen(index)
        if selector not in chosen:
            names = [name.rpartition(".")[2] for name in chosen]
            raise _without_effect(binding, f"the recipe does not use {binding.configurable}", names)


def check(bindings: Sequence[Binding], elsewhere: Container[str] = ()) -> None:
    """Refuses bindings of the user that have no effect, and values of a wrong type.

    Args:
      bindings: all that were read, in order; gin knows the configurables.
      elsewhere: what `NoEffectError.binding` calls bindings that may have no effect here.

    Raises:
      UserError: for the first one: of a macro that nothing references, in a scope that is not used, for a
        configurable that is not used in its scope, where another one wins, replaced by a recipe that comes
        after it, or of a wrong type.
    """
    history = _History(bindings)
    for index, binding in enumerate(bindings):
        if _of_user(binding) and _named(binding) not in elsewhere:
            history.check(index)
    for index in history.last.values():
        binding = bindings[index]
        if binding.configurable != MACRO:
            macros: dict[str, Binding] = {}
            value_types.check(binding, history.resolved(binding.value, macros), macros.values())


def unused_macros(bindings: Sequence[Binding]) -> list[str]:
    """Returns the macros of the user that nothing references once everything is bound."""
    history = _History(bindings)
    used = {ref.scopes for _, ref in history.references()}
    return [
        binding.scope
        for binding in bindings
        if binding.configurable == MACRO
        and tuple(binding.scope.split("/")) not in used
        and _of_user(binding)
    ]


def _of_user(binding: Binding) -> bool:
    return not (binding.source.of_package or binding.source.is_written)


def _is_chosen(selector: str) -> bool:
    """Whether it is used where a reference names it, and nowhere else: a part, or a plug-in's monitor."""
    if selector.startswith("brave_tf."):
        return bool(_CHOSEN.match(selector))
    found = value_types.registered(selector)
    bases = getattr(annotations.result_type(found.wrapped), "__mro__", ()) if found else ()
    return any((base.__module__, base.__name__) == _MONITOR for base in bases)


class _History:
    """What is bound when, and which of it is in effect at the end.

    Attributes:
      last: key -> the index of its last binding.
      end: index -> the index at which the same is bound again, infinite for the last.
    """

    def __init__(self, bindings: Sequence[Binding]):
        self.bindings = bindings
        self.selectors = [_selector(binding.configurable) for binding in bindings]
        self.last: dict[tuple[str, str, str], int] = {}
        self.end: dict[int, float] = {}
        self._named: dict[tuple[str, ...], list[int]] = collections.defaultdict(list)
        for index, binding in enumerate(bindings):
            key = (binding.scope, self.selectors[index], binding.parameter)
            if key in self.last:
                self.end[self.last[key]] = index
            self.last[key], self.end[index] = index, math.inf
            for reference in _references(binding.value):
                if reference.configurable == MACRO:
                    self._named[reference.scopes].append(index)

    def references(self) -> Iterator[tuple[int, Reference]]:
        """Gives the references of the bindings at the end, but for those in macros that nothing uses."""
        for index in self.last.values():
            if self.bindings[index].configurable != MACRO or self._is_used(index, math.inf):
                for reference in _references(self.bindings[index].value):
                    yield index, reference

    def chosen(self, since: int) -> set[str]:
        """Returns the parts that something is made of, then or later.

        They are referenced by what is no part, by such a part, and so on.
        """
        by_selector = collections.defaultdict(list)
        for index in range(len(self.bindings)):
            if self.end[index] > since:
                references = _references(self.bindings[index].value)
                by_selector[self._key(index)] += map(self._named_by, references)
        reached = {key for key in by_selector if key[1] != MACRO and not _is_chosen(key[1])}
        waiting = list(reached)
        while waiting:
            new = set(by_selector[waiting.pop()]) - reached
            reached |= new
            waiting += new
        return {selector for _, selector in reached if selector != MACRO}

    def _key(self, index: int) -> tuple[str, str]:
        macro = self.bindings[index].configurable == MACRO
        return self.bindings[index].scope if macro else "", self.selectors[index]

    def _named_by(self, reference: Reference) -> tuple[str, str]:
        macro = reference.configurable == MACRO
        return "/".join(reference.scopes) if macro else "", _selector(reference.configurable)

    def resolved(self, value: Any, macros: dict[str, Binding], within: tuple[str, ...] = ()) -> Any:
        """Returns a value with what its macros stand for at the end in their place.

        Args:
          value: of a binding.
          macros: is given the bindings of the macros, by name.
          within: macros that the value is a part of.

        Raises:
          UserError: a macro refers to itself.
        """
        if isinstance(value, Mapping):
            pairs = [self.resolved(pair, macros, within) for pair in value.items()]
            return dict(pairs)
        if isinstance(value, (list, tuple)):
            return type(value)(self.resolved(each, macros, within) for each in value)
        if not isinstance(value, Reference) or value.configurable != MACRO:
            return value
        name = "/".join(value.scopes)
        index = self.last.get((name, MACRO, "value"))
        # The rest are gin's own, constants of modules.
        if index is None:
            return value
        macros[name] = self.bindings[index]
        if name in within:
            chain = " = ".join(f"%{each}" for each in [*within[within.index(name) :], name])
            raise errors.UserError(
                f"{macros[name].place}: the macro {name} refers to itself, {chain}. Bind it to a value."
            )
        return self.resolved(macros[name].value, macros, (*within, name))

    def check(self, index: int) -> None:
        """Raises UserError when a binding of the user does not have the effect it says."""
        binding = self.bindings[index]
        self._check_kept(index)
        if binding.configurable == MACRO:
            if not self._is_used(index, index) and binding.scope != RECIPE:
                raise _without_effect(
                    binding,
                    "nothing references this macro",
                    ("/".join(name) for name in self._named if self._used_at_all(name)),
                )
        elif self.end[index] == math.inf:
            self._check_scope(index)

    def _is_used(self, index: int, since: float, seen: frozenset[int] = frozenset()) -> bool:
        """Whether a macro is referenced by a binding that was in effect then, or later."""
        name = tuple(self.bindings[index].scope.split("/"))
        return any(
            (self.end[user] > since or self.end[user] == since == math.inf)
            and user not in seen
            and (
                self.bindings[user].configurable != MACRO
                or self._is_used(user, since, seen | {user})
            )
            for user in self._named[name]
        )

    def _used_at_all(self, name: tuple[str, ...]) -> bool:
        index = self.last.get(("/".join(name), MACRO, "value"))
        return index is not None and self._is_used(index, math.inf)

    def _check_kept(self, index: int) -> None:
        """A recipe that comes after a binding replaces it, which nobody means."""
        binding = self.bindings[index]
        if self.end[index] == math.inf:
            return
        by = self.bindings[int(self.end[index])]
        same_file = by.source.chain()[-1] == binding.source.chain()[-1]
        recipe = any(source.is_recipe for source in by.source.chain())
        if by.source.of_package and (same_file or recipe) and by.value != binding.value:
            raise errors.UserError(
                f"{binding.place}: the binding {binding.key} has no effect, for {by.place}, which is read "
                "after it, binds the same. Put what a recipe is to be changed by after the recipe."
            )

    def _check_scope(self, index: int) -> None:
        binding, selector = self.bindings[index], self.selectors[index]
        references = [reference for _, reference in self.references()]
        scopes = tuple(filter(None, binding.scope.split("/")))
        known = {scope for ref in references if ref.configurable != MACRO for scope in ref.scopes}
        for scope in scopes:
            if scope not in known:
                raise _without_effect(binding, f"no reference uses the scope {scope!r}", known)
        uses = [ref.scopes for ref in references if _selector(ref.configurable) == selector]
        reached = [use for use in uses if use[: len(scopes)] == scopes]
        if _UNSCOPED.match(selector) and not reached and scopes:
            raise _without_effect(
                binding,
                f"{binding.configurable} is used outside of this scope; bind {binding.configurable}."
                f"{binding.parameter}, or refer to @{binding.scope}/{binding.configurable}",
            )
        # One without scopes is used in those of whatever refers to it.
        if not uses or () in uses:
            return
        names = {"/".join([*use, binding.configurable]) for use in uses}
        if not reached:
            raise _without_effect(
                binding, f"{binding.configurable} is used as {', '.join(sorted(names))} only"
            )
        winners = [self._winner(index, use) for use in reached]
        if all(winners):
            keys = dict.fromkeys(winner.key for winner in winners)
            raise _without_effect(binding, f"{', '.join(keys)} is bound, which wins: bind that")

    def _winner(self, index: int, use: tuple[str, ...]) -> Binding | None:
        """Returns the earlier binding for more scopes that is in effect in `use` in place of this one."""
        binding, selector = self.bindings[index], self.selectors[index]
        shortest = len(list(filter(None, binding.scope.split("/")))) + 1
        for length in range(len(use), shortest - 1, -1):
            other = self.last.get(("/".join(use[:length]), selector, binding.parameter))
            if other is not None and other < index:
                return self.bindings[other]
        return None


def _without_effect(binding: Binding, why: str, known: Iterable[str] = ()) -> NoEffectError:
    hint = errors.did_you_mean(binding.key.rpartition("/")[0] or binding.key, known)
    named = _named(binding)
    return NoEffectError(f"{named} would have no effect: {why}.{hint}", named)


def _named(binding: Binding) -> str:
    return f"{binding.place}: the binding {binding.key}"


def _selector(configurable: str) -> str:
    """Returns the whole name of a configurable, of which any end that is not ambiguous may be written."""
    found = value_types.registered(configurable)
    return found.selector if found else configurable


def _references(value: Any) -> Iterator[Reference]:
    return (each for each in values_in(value) if isinstance(each, Reference))
