"""The model that a recipe trains, as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from brave_tf.inspection.model_trace import ModelTrace, Part, trace_model
from brave_tf.inspection.summary import as_text
from brave_tf.training import recipe as recipe_lib
from brave_tf.training.settings import Settings

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def model_summary(batch_size: int | None = None) -> str:
    """Describes the configured recipe without its data.

    Of each part: weights; multiply-adds of the forward pass per clip, see `multiply_adds` (the backward
    pass takes about twice as many); and the values kept for the backward pass per clip. Below it the
    memory of a training step, see `step_memory.step_memory`.

    Args:
      batch_size: clips of a step; by default `train.batch_size`.

    Returns:
      The text of the tables.

    Raises:
      UserError: the recipe is not complete.
    """
    # What is not looked at need not be bound.
    given = {} if batch_size is None else {"batch_size": batch_size}
    settings = recipe_lib.bound(
        lambda: Settings(data_dir="", optimizer=lambda: None, num_steps=1, **given)
    )
    recipe = recipe_lib.bound(recipe_lib.Recipe)
    tf.keras.mixed_precision.set_global_policy(settings.precision)
    objective = recipe.build(settings.seed)
    trace = trace_model(objective, recipe.views, settings.batch_size)
    return "\n\n".join(
        [
            as_text(_view_rows(recipe)),
            f"{type(objective).__name__}, per clip\n" + as_text(_part_rows(trace)),
            memory(trace, settings),
        ]
    )


def _view_rows(recipe: recipe_lib.Recipe) -> list[list[str]]:
    rows = [["view", "modality", "shape", "values", "seconds"]]
    for name, view in recipe.views.items():
        values = short(math.prod(view.shape))
        rows.append([name, view.modality, _shape(view.shape), values, f"{view.duration:.2f}"])
    return rows


def _part_rows(trace: ModelTrace) -> list[list[str]]:
    total = Part(
        "total",
        parameters=sum(part.parameters for part in trace.parts),
        trainable=sum(part.trainable for part in trace.parts),
        kept=sum(part.kept for part in trace.parts),
    )
    costs = [part.multiply_adds for part in trace.parts]
    total.multiply_adds = None if None in costs else sum(costs)
    head = "part,calls,in,out,parameters,trainable,multiply-adds,kept for backward"
    return [head.split(","), *map(_part_row, [*trace.parts, total])]


def _part_row(part: Part) -> list[str]:
    return [
        part.name,
        str(part.calls or ""),
        _shape(part.takes),
        _shape(part.gives),
        f"{part.parameters:,}",
        f"{part.trainable:,}",
        "unknown" if part.multiply_adds is None else short(part.multiply_adds),
        f"{short(part.kept)}B",
    ]


def memory(trace: ModelTrace, settings: Settings) -> str:
    """Returns a sentence on what a step of `settings.batch_size` clips, and what is beside it, take."""
    size = settings.batch_size
    kept = size * sum(part.kept for part in trace.parts)
    state = sum(part.state for part in trace.parts)
    weights = 4 * sum(part.parameters for part in trace.parts if not part.state)
    held = f"; state that no gradient trains holds {short(state)}B" if state else ""
    return (
        f"a training step of {size} clips, {settings.precision}, is estimated to hold {short(trace.peak)}B "
        f"at its peak (allow a third more), {short(kept)}B of it for the backward pass; beside that the "
        f"weights, {short(weights)}B, and as much for each slot of the optimizer{held}"
    )


def short(number: float) -> str:
    """Returns a number with three digits and a decimal unit, such as 23.5 M."""
    for size, unit in _UNITS:
        if number >= size:
            digits = max(0, 2 - int(math.log10(number / size)))
            return f"{number / size:.{digits}f} {unit}"
    return f"{number:.0f} "


def _shape(shape: Sequence[int | None] | None) -> str:
    return "x".join("?" if size is None else str(size) for size in shape or ())
