"""Values of bindings against the types that their parameters are annotated with."""

from __future__ import annotations

import contextlib
import inspect
import re
from typing import Any

import gin

from brave_tf import errors
from brave_tf.gin_statements import MACRO, Binding, Reference

# What a parameter of these types takes, as messages say it.
_TYPES = {
    "bool": ((bool,), "True or False"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "text in quotes"),
    # Of `training.schedules`: a reference, or a number.
    "LearningRate": ((int, float), "a number from 0 or a schedule, such as @warmup_cosine()"),
    "None": ((type(None),), "None"),
}


def check(binding: Binding, value: Any) -> None:
    """Compares a value with the annotation of its parameter, where that is one of plain types.

    Args:
      binding: of the parameter.
      value: what is bound in the end, a literal or a `Reference`.

    Raises:
      UserError: it is of another type.
    """
    parameter = _parameter(binding)
    if isinstance(value, Reference) or parameter is None:
        return
    annotation = re.sub(r"^<class '(\w+)'>$", r"\1", str(parameter.annotation))
    names = [name.strip().rpartition(".")[2] for name in annotation.split("|")]
    if not set(names) <= set(_TYPES):
        return
    # For Python, True is the number 1.
    accepted = {type(parameter.default), *(kind for name in names for kind in _TYPES[name][0])}
    if type(value) not in accepted or (names == ["LearningRate"] and value < 0):
        expected = " or ".join(_TYPES[name][1] for name in names)
        raise errors.UserError(f"{binding.key} = {value!r}: expected {expected} ({binding.place}).")


def _parameter(binding: Binding) -> inspect.Parameter | None:
    found = registered(binding.configurable)
    if found is None or binding.configurable == MACRO:
        return None
    return inspect.signature(found.wrapped).parameters.get(binding.parameter)


def registered(configurable: str) -> Any:
    """Returns what gin knows of a configurable, None where a file has names of its own for it."""
    with contextlib.suppress(KeyError, ValueError):
        return gin.config.ConfigurableReference(configurable, evaluate=False).configurable
    return None
