"""Memory of a recipe's training step, by precision and by what saves memory.

Each row is a process of its own, which takes two steps on --clips random clips. `before_mb` is what it holds
with weights and slots, TensorFlow included, before the first step; `step_mb` is what the steps add at most.
`checkpointing` keeps only the inputs of the stages of the backbones, `accumulation` goes through the clips
one by one.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Sequence
from typing import Any

from bench import memory

_PRECISIONS = ("float32", "mixed_bfloat16")
_SAVINGS = ("none", "checkpointing", "accumulation", "both")
_STEPS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("--gin_file", action="append", help="as_v_fa by default")
    parser.add_argument("--gin_bindings", action="append", default=[])
    parser.add_argument("--clips", type=int, default=2, help="of a step")
    parser.add_argument("--precision", choices=_PRECISIONS, nargs="+", default=list(_PRECISIONS))
    parser.add_argument("--saving", choices=_SAVINGS, nargs="+", default=list(_SAVINGS))
    parser.add_argument(
        "--backbones",
        nargs="*",
        default=["tsm_resnet", "audio_resnet"],
        help="configurables whose stages are checkpointed",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures each pair of precision and saving."""
    files = args.gin_file or ["as_v_fa"]
    rows = []
    spawn = multiprocessing.get_context("spawn")
    for precision in args.precision:
        for saving in args.saving:
            bindings = [*args.gin_bindings, *_bindings(args, precision, saving)]
            with spawn.Pool(1) as pool:
                measured = pool.apply(_measure, (files, bindings))
            step = measured["peak_mb"] - measured["before_mb"]
            row = {"precision": precision, "saving": saving, "clips": args.clips, **measured}
            rows.append({**row, "step_mb": step, "step_mb_per_clip": step / args.clips})
    return {"settings": {**vars(args), "gin_file": files}, "rows": rows}


def _bindings(args: argparse.Namespace, precision: str, saving: str) -> list[str]:
    bindings = [f"train.batch_size = {args.clips}", f"train.precision = '{precision}'"]
    if saving in ("accumulation", "both"):
        bindings.append(f"train.accumulate_steps = {args.clips}")
    if saving in ("checkpointing", "both"):
        bindings += [f"{name}.checkpoint_stages = True" for name in args.backbones]
    return bindings


def _measure(files: Sequence[str], bindings: Sequence[str]) -> dict[str, float]:
    """Takes the steps; returns what the process held before them, and at most."""
    from brave_tf.process import startup

    startup.import_tensorflow()
    import tensorflow as tf

    from brave_tf import config
    from brave_tf.training import recipe, run, strategy
    from brave_tf.training.settings import Settings

    config.load_config(files, bindings)
    settings, built = recipe.bound(Settings), recipe.bound(recipe.Recipe)
    objective = run.build_objective(settings, built, strategy.make_strategy("one_device"))
    size = settings.batch_size // settings.accumulate_steps
    batch = {
        name: tf.random.stateless_uniform((size, *view.shape), (0, 0))
        for name, view in built.views.items()
    }
    batch["label"] = tf.zeros((size,), tf.int64)
    before = memory.resident_mb()
    batches = tf.data.Dataset.from_tensors(batch).repeat()
    objective.fit(batches, steps_per_epoch=_STEPS, verbose=0)
    return {"before_mb": before, "peak_mb": memory.peak_of_mb("self") or memory.peak_mb()}
