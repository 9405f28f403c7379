"""Factors on the steps of variables chosen by name, such as ten times faster predictors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Callable, TypeVar

import tensorflow as tf

from brave_tf.errors import UserError

T = TypeVar("T")

# Overlays go with objectives that have no predictors too.
_OF_SOME_OBJECTIVES = ("predictor/",)


class Multipliers:
    """Mixin, first base of a Keras optimizer: holds the factors and checks that each is of use.

    Args:
      multipliers: regular expression -> factor. The factors of all expressions found in a
        variable's name (`re.search`), such as `predictor/linear/kernel`, multiply.
    """

    def __init__(self, *args, multipliers: Mapping[str, float] | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.multipliers = dict(multipliers or {})

    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Makes the slots.

        Raises:
          UserError: an expression is found in no variable's name; `predictor/` need not be.
        """
        names = [plain_name(variable) for variable in var_list]
        for pattern in self.multipliers:
            found = any(re.search(pattern, name) for name in names)
            if not found and pattern not in _OF_SOME_OBJECTIVES:
                raise UserError(
                    f"the optimizer's multipliers have {pattern!r}, which is found in no variable's "
                    f"name: correct or remove it. Names are like {', '.join(names[-3:])}."
                )
        super().build(var_list)

    def multiplier(self, variable: tf.Variable) -> float:
        """The factor of a variable; 1.0 when no expression is found in its name."""
        name = plain_name(variable)
        found = (value for p, value in self.multipliers.items() if re.search(p, name))
        return math.prod(found, start=1.0)

    def get_config(self) -> dict:
        """Returns the arguments, `multipliers` among them."""
        return {**super().get_config(), "multipliers": dict(self.multipliers)}


def plain_name(variable: tf.Variable) -> str:
    """A variable's name without TensorFlow's suffixes `/replica_1` and `:0`."""
    return re.sub(r"(/replica_\d+)?(:\d+)?$", "", variable.name)


class StepMultipliers(Multipliers):
    """Scales finished steps: var <- before + factor * (after - before).

    Neither Adam's normalisation nor a trust ratio can cancel the factor, and slots do not see it.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Takes the step, then scales what it changed."""
        step = super().update_step
        scaled_step(variable, self.multiplier(variable), lambda: step(gradient, variable))


def scaled_step(variable: tf.Variable, factor: float, step: Callable[[], T]) -> T:
    """Calls `step`, which changes `variable`, scales the change by `factor`, returns the last operation."""
    if factor == 1.0:
        return step()
    before = tf.identity(variable)
    with tf.control_dependencies([before]):
        stepped = step()
    with tf.control_dependencies([] if stepped is None else [stepped]):
        return variable.assign(before + factor * (variable - before))


class GradientMultipliers(Multipliers):
    """Scales gradients, before anything else sees them."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Scales the gradient, then takes the step."""
        super().update_step(self.multiplier(variable) * gradient, variable)
