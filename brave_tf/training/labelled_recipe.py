"""The recipe that trains one backbone of another recipe with labels, by the same views and machinery."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Callable

import gin
import tensorflow as tf

from brave_tf import config
from brave_tf.data.views.base import View
from brave_tf.objectives.base import Objective
from brave_tf.training.optimizers import layer_rates

_SCOPE = "labelled"


class Reference(str):
    """A reference of gin, such as `@sgd`, among values."""

    __repr__ = str.__str__


@gin.configurable
def backbone_of(
    objective: Callable[[], Objective] = gin.REQUIRED,
    view: str = gin.REQUIRED,
    frozen_up_to: str | None = None,
) -> tf.keras.Model:
    """Builds an objective and returns the backbone of one of its views.

    Args:
      objective: makes it.
      view: name of the view.
      frozen_up_to: see `layer_rates.freeze`; None: all of the backbone learns.
    """
    with gin.config_scope(None):
        backbone = objective().backbones[view]
    if frozen_up_to is not None:
        layer_rates.freeze(backbone, frozen_up_to)
    return backbone


@gin.configurable
def view_of(
    views: Mapping[str, View] = gin.REQUIRED,
    view: str = gin.REQUIRED,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, View]:
    """Returns one of several views under its name.

    Args:
      views: view name -> view.
      view: the name.
      changes: fields of the view -> other values.
    """
    return {view: dataclasses.replace(views[view], **(changes or {}))}


def free_scope() -> str:
    """Returns a scope that the loaded configuration does not use."""
    used = {part for scope, _ in gin.config._CONFIG for part in scope.split("/")}
    names = itertools.chain([_SCOPE], (f"{_SCOPE}_{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in used)


def bound_value(name: str) -> Any:
    """Returns what is bound to a parameter such as `train.optimizer`, with macros resolved.

    Raises:
      ValueError: nothing is, or there is no such parameter.
    """
    value = gin.query_parameter(name)
    while getattr(value, "selector", None) == "gin.macro":
        value = gin.query_parameter("%" + "/".join(value.scopes))
    return value


def _without_monitors() -> dict[str, Any]:
    """Has none that the loaded configuration adds, which watch another model. Without any, nothing is bound:
    the settings of a run are told from others by what is bound."""
    try:
        return {"train.monitors": ()} if bound_value("train.monitors") else {}
    except ValueError:
        return {}


def derive(
    view: str,
    scope: str,
    bindings: Mapping[str, Any],
    *,
    supervised: Mapping[str, Any],
    view_changes: Mapping[str, Any] | None = None,
    frozen_up_to: str | None = None,
    imports: Iterable[str] = (),
) -> str:
    """Returns a configuration in which a backbone of the loaded one is trained with labels, by `Supervised`.

    Everything else is as it was, but for the bindings of evaluation protocols, which are left out: what a
    model is tested on does not change how it is trained.

    Args:
      view: the name of the backbone's view.
      scope: from `free_scope`; `bindings` may use it.
      bindings: further ones, such as `train.num_steps`: name -> value, in which references of gin are
        `Reference`s.
      supervised: arguments of `Supervised` beside the backbones.
      view_changes: fields of the view -> other values.
      frozen_up_to: see `layer_rates.freeze`.
      imports: modules that the values need.
    """
    modules = ["brave_tf.objectives.supervised", __name__, *imports]
    new = {
        "Recipe.views": Reference(f"@{scope}/view_of()"),
        "Recipe.objective": Reference(f"@{scope}/Supervised"),
        f"{scope}/view_of.views": gin.query_parameter("Recipe.views"),
        f"{scope}/view_of.view": view,
        f"{scope}/view_of.changes": dict(view_changes or {}),
        f"{scope}/Supervised.backbones": {view: Reference(f"@{scope}/backbone_of()")},
        **{f"{scope}/Supervised.{name}": value for name, value in supervised.items()},
        f"{scope}/backbone_of.objective": gin.query_parameter("Recipe.objective"),
        f"{scope}/backbone_of.view": view,
        f"{scope}/backbone_of.frozen_up_to": frozen_up_to,
        # It would look for views that are not there.
        "train.probe": None,
        **_without_monitors(),
        **bindings,
    }
    lines = [f"import {module}" for module in dict.fromkeys(modules)]
    lines += [f"{name} = {value!r}" for name, value in new.items()]
    return config.written_without("brave_tf.evaluation") + "\n" + "\n".join(lines) + "\n"
