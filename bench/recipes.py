"""Recipes: time of a training step and of its parts, as shares of the machine's limits.

Without flags it is the V/A step of the released configuration on 2 clips of 16 frames of 112 pixels and
1,024 x 80 spectrograms. `step` is what training calls; `update` is its optimizer on given gradients; the
others are inference. Multiply-adds are those of convolutions and matrix products, three times the forward
pass's for a step and once more for a momentum copy, and their limit is a product of square matrices in the
same precision. The update's limit is a copy of memory: it has to read weights, slots and gradients once and
write the first two. `cpu_share`, by CPU seconds, holds on a machine that others load too. With `--recipe`,
several times to compare, every file of `--gin_file` comes after the recipe.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from bench import limits, recipe_step, timing
from brave_tf.inspection.multiply_adds import graph_cost
from brave_tf.objectives.momentum_copy import MomentumCopy

_PRODUCT, _COPY = "matrix product", "memory copy"
_PASSES = 5  # Over the memory of the weights: three read, two written.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    recipe_step.add_recipe_arguments(parser)
    recipe_step.add_variant_arguments(parser)
    parser.add_argument("--recipe", action="append", help="name of one, such as k600_cvrl_r3d50")
    parser.add_argument("--repeats", type=int, default=5)
    limits.add_size_arguments(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures every precision, with and without XLA, each in turn with the limits."""
    variants = recipe_step.variants(args)
    rows = []
    for recipe in args.recipe or [None]:
        texts, chosen = {}, args
        if recipe is not None:
            texts, chosen = {"recipe": recipe}, copy.copy(args)
            chosen.gin_file = [recipe, *(args.gin_file or [])]
        rows += [{**texts, **row} for variant in variants for row in _rows(chosen, *variant)]
    return {"settings": {**vars(args), "variants": variants}, "rows": rows}


def _rows(args: argparse.Namespace, precision: str, xla: str) -> list[dict[str, Any]]:
    measured = recipe_step.build(args, precision, xla)
    narrow, forward = measured.narrow_forward(), measured.forward()
    functions = {
        _PRODUCT: limits.product(args.matrix, precision),
        _COPY: limits.copy(args.copy_mb),
        "narrow forward": narrow,
        "forward": forward,
        "step": measured.step(),
        "update": measured.update(),
    }
    prepared = {name: limits.prepared(function) for name, function in functions.items()}
    costs = {
        part: graph_cost(f.get_concrete_function().graph)
        for part, f in {"narrow forward": narrow, "forward": forward}.items()
    }
    weights = sum(
        v.shape.num_elements() * v.dtype.size for v in measured.objective.trainable_variables
    )
    copies = len(measured.objective.nested(MomentumCopy))
    work = {
        **costs,
        "step": costs["forward"] * (limits.STEP_COST + copies),
        "update": weights * _PASSES,
        _PRODUCT: args.matrix**3,
        _COPY: limits.copied_bytes(args.copy_mb),
    }
    times = timing.measure(prepared, args.repeats)
    tf.keras.backend.clear_session()
    texts = {"precision": precision, "xla": xla}
    return [{**texts, **_row(part, times, work)} for part in functions]


def _row(part: str, times: Mapping[str, timing.Times], work: Mapping[str, int]) -> dict[str, Any]:
    """Returns seconds, work per second, and the share of the limit's in the same turn."""
    limit = _COPY if part in (_COPY, "update") else _PRODUCT
    relative = work[part] / work[limit]
    cpu = {name: timing.median(times[name].cpu) for name in (part, limit)}
    seconds = timing.median(times[part].wall)
    return {
        "part": part,
        "s": seconds,
        "spread": timing.spread(times[part].wall),
        "cpu_s": cpu[part],
        "unit": "GB/s" if limit == _COPY else "Gmadds/s",
        "rate": work[part] / seconds / 1e9,
        "limit_share": timing.median(relative / timing.ratios(times[part], times[limit])),
        "cpu_share": relative * cpu[limit] / cpu[part],
    }
