"""Where the windows of a clip are, and the rules between them.

Without a rule every view has its own: see `draw_windows`. A rule is a subclass of `WindowRule` in a module of
its own, here or in a plug-in; `Recipe.windows` lists those of a recipe.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from brave_tf.data.records.reader import Clip
from brave_tf.data.views.base import View
from brave_tf.errors import UserError, did_you_mean


class Window(NamedTuple):
    """What a view is to sample of a clip: the arguments of `View.sample`, and the view itself."""

    view: View
    start: tf.Tensor  # () float64, seconds
    seed: tf.Tensor  # (2,) int32, of the crop and the augmentations


class WindowRule(abc.ABC):
    """A rule between windows of one clip. Subclasses are `@gin.configurable` dataclasses."""

    @property
    @abc.abstractmethod
    def placed(self) -> Sequence[str]:
        """Names of the views whose windows the rule draws."""

    @property
    def followed(self) -> Sequence[str]:
        """Names of the views that these are drawn from, whose windows are where others have put them."""
        return ()

    @abc.abstractmethod
    def check(self, views: Mapping[str, View]) -> None:
        """Makes sure that the rule can be followed by views, before any long work starts.

        Args:
          views: by name, with all that the rule names.

        Raises:
          UserError: it cannot.
        """

    @abc.abstractmethod
    def draw(
        self, clip: Clip, windows: Mapping[str, Window], seed: tf.Tensor
    ) -> Mapping[str, Window]:
        """Draws the windows of a clip that the rule is about.

        Args:
          clip: a clip that has the fields of all views.
          windows: those of all views as they are so far, by name.
          seed: (2,) int32, the rule's own for this clip. All that is random comes from it.

        Returns:
          The windows of `placed`.
        """

    def _require(self, field: str, usable: Any, expected: str) -> None:
        if not usable:
            value = getattr(self, field)
            raise UserError(f"{type(self).__name__}.{field} = {value!r}: expected {expected}.")


class RuleOfOneKind(WindowRule):
    """A rule that draws the windows of `views`, which are of one modality and duration."""

    views: Sequence[str]

    @property
    def placed(self) -> Sequence[str]:
        return tuple(self.views)

    def check(self, views: Mapping[str, View]) -> None:
        require_one_kind(self.views, type(self).__name__, views)


def require_one_kind(names: Sequence[str], rule: str, views: Mapping[str, View]) -> None:
    """Makes sure that names are those of several views of one modality and duration.

    Args:
      names: what the rule was given as `views`.
      rule: its class.
      views: by name.

    Raises:
      UserError: they are not.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError(f"{rule}.views = {names!r}: expected two or more names, each once.")
    kinds = {name: (views[name].modality, views[name].duration) for name in names}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name}: {kind} of {s:g} s" for name, (kind, s) in kinds.items())
        raise UserError(
            f"{rule}.views = {names!r}: expected views of one modality and duration, not {listed}."
        )
    for name in names:
        require_places(views[name], name)


def require_places(view: View, name: str) -> None:
    """Makes sure that a view says where in a clip its windows can start.

    Raises:
      UserError: it does not.
    """
    if type(view).places is View.places:
        raise UserError(
            f"view {name!r} cannot be put by a rule of Recipe.windows: {type(view).__name__} does not say "
            "where in a clip its windows can start. Define places in it, or leave the view out of the rule."
        )


def check_rules(rules: Sequence[WindowRule], views: Mapping[str, View]) -> None:
    """Makes sure that rules can be followed, one after the other.

    Args:
      rules: in the order in which they draw.
      views: by name.

    Raises:
      UserError: an entry is not a rule, names a view that does not exist, or follows a window that a later
        rule draws; two rules draw the same window; or the views do not suit a rule.
    """
    drawn: dict[str, str] = {}
    for rule in rules:
        if not isinstance(rule, WindowRule):
            raise UserError(
                f"Recipe.windows has {rule!r}: expected rules, which gin lists as @Name() with parentheses."
            )
        kind = type(rule).__name__
        for name in (*rule.placed, *rule.followed):
            if name not in views:
                raise UserError(
                    f"{kind} names a view {name!r}, but Recipe.views has only {list(views)}."
                    f"{did_you_mean(name, views)}"
                )
        for name in rule.placed:
            if name in drawn:
                raise UserError(
                    f"{kind} and {drawn[name]} both draw the window of view {name!r}: let one rule do so."
                )
        for earlier in rules[: rules.index(rule)]:
            for name in set(earlier.followed) & set(rule.placed):
                raise UserError(
                    f"{type(earlier).__name__} follows view {name!r}, whose window {kind} draws: list {kind} "
                    "before it in Recipe.windows."
                )
        rule.check(views)
        drawn.update(dict.fromkeys(rule.placed, kind))


def draw_windows(
    clip: Clip, views: Mapping[str, View], seed: tf.Tensor, rules: Sequence[WindowRule] = ()
) -> dict[str, Window]:
    """Draws where the windows of a clip start, and what their crops and augmentations are drawn from.

    The first view is the narrow one: its window starts anywhere that it fits, at 0 in a clip that is too
    short. Views with `sync` start where it does, the others anywhere that they fit, or anywhere in a clip
    that is too short for them. Rules put some elsewhere, one after the other; views with `sync` that no rule
    draws follow the narrow one wherever it is put.

    Args:
      clip: a clip that has the fields of all views.
      views: by name, the narrow one first.
      seed: (2,) int32; the same seed gives the same windows. A rule changes nothing about views that it does
        not draw.
      rules: see `check_rules`.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2 * len(views)))
    starts, samples = seeds[::2], seeds[1::2]
    first, narrow = next(iter(views.items()))
    narrow_start = narrow.random_start(clip, starts[0], loop=False)
    windows = {}
    for index, (name, view) in enumerate(views.items()):
        start = narrow_start
        if index > 0 and not view.sync:
            start = view.random_start(clip, starts[index], loop=True)
        windows[name] = Window(view, start, samples[index])
    placed = {name for rule in rules for name in rule.placed}
    led = [name for name, view in views.items() if view.sync and name not in {first, *placed}]
    for number, rule in enumerate(rules, 1):
        # Not one of the seeds above, nor that of the stretch of a long clip, which has the number 0.
        own = tf.random.experimental.stateless_fold_in(seed, number)
        windows.update(rule.draw(clip, windows, own))
        for name in led:
            windows[name] = windows[name]._replace(start=windows[first].start)
    return windows
