"""Monitors: what watching a run costs, beside the training step that it watches.

`each step` is what a step does for the monitors: the norm of gradients, putting zeros in place of those that
are not finite, and keeping two clips. `each log` is what is done every `train.log_every` steps: copies of
the weights, their norms and those of the change, and the spread of features. `share` is of the time of a
step, for a log divided by `train.log_every`.
"""

from __future__ import annotations

import argparse
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from bench import limits, recipe_step, timing
from brave_tf.training.monitors.advice import Advice
from brave_tf.training.monitors.collapse import CollapseWatch
from brave_tf.training.monitors.optimizer_figures import OptimizerFigures
from brave_tf.training.recipe import bound
from brave_tf.training.settings import Settings

_STEP, _EACH_STEP, _EACH_LOG = "step", "each step", "each log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    recipe_step.add_recipe_arguments(parser)
    recipe_step.add_variant_arguments(parser)
    parser.add_argument("--repeats", type=int, default=5)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures step and monitors in turn, in each precision, with and without XLA."""
    rows = []
    for precision, xla in recipe_step.variants(args):
        rows += [{"precision": precision, "xla": xla, **row} for row in _rows(args, precision, xla)]
    return {"settings": vars(args), "rows": rows}


def _rows(args: argparse.Namespace, precision: str, xla: str) -> list[dict[str, Any]]:
    built = recipe_step.build(args, precision, xla)
    functions = {_STEP: built.step(), _EACH_STEP: _each_step(built), _EACH_LOG: _each_log(built)}
    functions = {name: limits.prepared(function) for name, function in functions.items()}
    times = timing.measure(functions, args.repeats)
    every = {_EACH_STEP: 1, _EACH_LOG: bound(Settings).log_every}
    tf.keras.backend.clear_session()
    rows = [{"what": name, "seconds": timing.median(times[name].wall)} for name in functions]
    for row in rows[1:]:
        shares = timing.ratios(times[row["what"]], times[_STEP]) / every[row["what"]]
        row["share"] = timing.median(shares)
    return rows


def _each_step(built: recipe_step.RecipeStep) -> Callable[[], Any]:
    gradients = [1e-3 * tf.ones_like(variable) for variable in built.objective.trainable_variables]

    @tf.function
    def watch() -> Any:
        finite = tf.math.is_finite(tf.linalg.global_norm(gradients))
        kept = [tf.where(finite, gradient, tf.zeros_like(gradient)) for gradient in gradients]
        return kept, [tf.identity(values[:2]) for values in built.batch.values()]

    return watch


def _each_log(built: recipe_step.RecipeStep) -> Callable[[], Any]:
    figures, collapse, advice = (
        OptimizerFigures(built.objective),
        CollapseWatch(),
        Advice(quiet=True),
    )

    def watch() -> None:
        figures.before_step()
        figures.after_step()
        for group in ("features", "projections"):
            seen = getattr(built.objective.seen, group)
            collapse.measure(group, {name: np.asarray(x) for name, x in seen.items()}, advice)

    return watch
