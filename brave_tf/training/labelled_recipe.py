"""The recipe that trains one backbone of another recipe with labels, by the same views and machinery."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Callable

import gin
import tensorflow as tf

from brave_tf import compat, config
from brave_tf.configuration.gin_statements import values_in
from brave_tf.data.views.base import View
from brave_tf.errors import UserError
from brave_tf.objectives.base import Objective
from brave_tf.objectives.supervised import Supervised
from brave_tf.training.optimizers import layer_rates

_SCOPE = "labelled"
_WRITTEN = (bool, int, float, complex, str, bytes, type(None))


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
    used = {part for scope, _ in compat.gin_bindings() for part in scope.split("/")}
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


def reference(name: str, call: bool = False) -> gin.config.ConfigurableReference:
    """Returns a value that refers to a configurable that is imported.

    Args:
      name: of it, with the scopes that it is called in, such as `labelled/sgd`.
      call: whether the value is what it returns, and not the configurable itself.

    Raises:
      ValueError: there is none of that name.
    """
    return gin.config.ConfigurableReference(name, evaluate=call)


def _without(empty: Mapping[str, Any]) -> dict[str, Any]:
    """Empties those of these parameters to which the loaded configuration binds something. Without any,
    nothing is bound: the settings of a run are told from others by what is bound."""
    found = {}
    for name, nothing in empty.items():
        with contextlib.suppress(ValueError):
            found.update({name: nothing} if bound_value(name) else {})
    return found


def derive(
    view: str,
    scope: str,
    bindings: Mapping[str, Any],
    *,
    supervised: Mapping[str, Any],
    view_changes: Mapping[str, Any] | None = None,
    frozen_up_to: str | None = None,
    imports: Iterable[str] = (),
) -> config.Configuration:
    """Returns a configuration in which a backbone of the loaded one is trained with labels, by `Supervised`.

    Everything else is as it was, but for the bindings of evaluation protocols, which are left out: what a
    model is tested on does not change how it is trained.

    Args:
      view: the name of the backbone's view.
      scope: from `free_scope`; `bindings` may use it.
      bindings: further ones, such as `train.num_steps`: name -> value, which may be a `reference`.
      supervised: arguments of `Supervised` beside the backbones.
      view_changes: fields of the view -> other values.
      frozen_up_to: see `layer_rates.freeze`.
      imports: modules that the values need.

    Raises:
      UserError: a value is none that a configuration can be written with.
    """
    modules = [Supervised.__module__, __name__, *imports]
    objective = f"{scope}/{Supervised.__name__}"
    new = {
        "Recipe.views": reference(f"{scope}/view_of", call=True),
        "Recipe.objective": reference(objective),
        f"{scope}/view_of.views": gin.query_parameter("Recipe.views"),
        f"{scope}/view_of.view": view,
        f"{scope}/view_of.changes": dict(view_changes or {}),
        f"{objective}.backbones": {view: reference(f"{scope}/backbone_of", call=True)},
        **{f"{objective}.{name}": value for name, value in supervised.items()},
        f"{scope}/backbone_of.objective": gin.query_parameter("Recipe.objective"),
        f"{scope}/backbone_of.view": view,
        f"{scope}/backbone_of.frozen_up_to": frozen_up_to,
        # It would look for views that are not there.
        "train.probe": None,
        # Monitors watch another model, and rules and parts are named that are not there.
        **_without({"train.monitors": (), "Recipe.windows": (), "train.initial_parts": None}),
        **bindings,
    }
    with config.kept():
        config.loaded().without("brave_tf.evaluation").load()
        gin.parse_config([f"import {module}" for module in modules])
        for name, value in new.items():
            _check_written(name, value)
            gin.bind_parameter(name, value)
        return config.loaded()


def _check_written(name: str, value: Any) -> None:
    """The run is loaded again from the text of its configuration, which would be without such a value."""
    for each in values_in(value):
        if not isinstance(each, (*_WRITTEN, gin.config.ConfigurableReference)):
            raise UserError(
                f"{name} = {value!r} cannot be written in the configuration of the run: expected numbers, "
                "text, None, True, False, and lists and dictionaries of these. Bind another value."
            )
