"""Training end to end: clips per second, and the share of the time that steps wait for input.

Rendered clips of 10 s with sound, or those of --data=DIR, go through the input pipeline and the training
step of a recipe. `input` and `step` are each alone, the step on one batch again and again; `training` is
both, the next batches being made while a step computes. `waiting` is the share of the time in which a step
waits for its batch; `share` is the speed over that of making a batch and taking a step one after the other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any, Callable

import tensorflow as tf

from bench import clips, limits, recipe_step, timing
from brave_tf.data.pipeline.batches import clip_dataset

_INPUT, _STEP, _TRAINING = "input", "step", "training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    recipe_step.add_gin_arguments(parser)
    recipe_step.add_variant_arguments(parser)
    clips.add_data_arguments(parser, default=24)
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10, help="of one measurement")
    parser.add_argument("--repeats", type=int, default=3)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures input, step and training in turn, in each precision, with and without XLA."""
    rows = []
    with clips.given_or_rendered(args) as data:
        for precision, xla in recipe_step.variants(args):
            texts = {"precision": precision, "xla": xla}
            rows += [{**texts, **row} for row in _rows(args, precision, xla, *data)]
    return {"settings": vars(args), "rows": rows}


def _rows(
    args: argparse.Namespace, precision: str, xla: str, data_dir: str, split: str
) -> list[dict[str, Any]]:
    recipe, objective = recipe_step.compiled(args, precision, xla)
    dataset = clip_dataset(data_dir, split, recipe.views, args.batch_size, training=True)
    step = tf.function(objective.train_step, jit_compile=xla == "on")
    batch = next(iter(dataset))
    loops = {name: _Loop(args.steps) for name in (_INPUT, _STEP, _TRAINING)}
    functions = {
        _INPUT: lambda: loops[_INPUT].of(iter(dataset), lambda batch: None),
        _STEP: lambda: loops[_STEP].of(_endless(batch), step),
        _TRAINING: lambda: loops[_TRAINING].of(iter(dataset), step),
    }
    limits.prepared(lambda: step(batch))
    times = timing.measure(functions, args.repeats)
    tf.keras.backend.clear_session()
    count = args.steps * args.batch_size
    rates = {name: times[name].rate(count) for name in functions}
    rows = [
        {
            "what": name,
            "clips_per_s": rate["per_s"],
            "spread": rate["spread"],
            "cpu_ms_per_clip": rate["cpu_ms_each"],
            "waiting": timing.median(loops[name].waiting),
        }
        for name, rate in rates.items()
    ]
    one_by_one = 1 / (1 / rates[_INPUT]["per_s"] + 1 / rates[_STEP]["per_s"])
    rows[-1]["share"] = rates[_TRAINING]["per_s"] / one_by_one
    return rows


class _Loop:
    """Takes steps on batches; `waiting` is the share of each measurement's time that batches took to come."""

    def __init__(self, steps: int):
        self._steps = steps
        self.waiting: list[float] = []

    def of(
        self, batches: Iterator[dict[str, tf.Tensor]], step: Callable[[dict[str, tf.Tensor]], Any]
    ) -> Callable[[], None]:
        """Takes a first step, and returns a function that takes the others."""
        step(next(batches))

        def take() -> None:
            began, waited = time.perf_counter(), 0.0
            for _ in range(self._steps):
                asked = time.perf_counter()
                batch = next(batches)
                waited += time.perf_counter() - asked
                step(batch)
            self.waiting.append(waited / (time.perf_counter() - began))

        return take


def _endless(batch: dict[str, tf.Tensor]) -> Iterator[dict[str, tf.Tensor]]:
    while True:
        yield batch
