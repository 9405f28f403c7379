"""Time of a training step as the batch and the frames grow; it should grow as they do.

`relative` is the time for one more clip or frame over that of the smallest measurement: below 1 where larger
work is done more efficiently, above 1 where it is not.
"""

from __future__ import annotations

import argparse
from typing import Any

import tensorflow as tf

from bench import backbones, limits, recipe_step, timing
from brave_tf.models.tsm_light import tsm_light
from brave_tf.models.tsm_resnet import tsm_resnet

_BACKBONES = {"tsm_resnet_50": tsm_resnet, "tsm_light": tsm_light}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("--backbone", choices=list(_BACKBONES), default="tsm_resnet_50")
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--frames", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--size", type=int, default=112, help="pixels")
    recipe_step.add_precision_argument(parser)
    parser.add_argument("--repeats", type=int, default=5)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the step at each batch size with the fewest frames, then one clip at each number of frames."""
    rows = []
    for precision in recipe_step.precisions(args):
        tf.keras.mixed_precision.set_global_policy(limits.POLICIES[precision])
        model = _BACKBONES[args.backbone]()
        fewest, smallest = min(args.frames), min(args.batch_sizes)
        batches = {size: (size, fewest) for size in sorted(args.batch_sizes)}
        lengths = {frames: (smallest, frames) for frames in sorted(args.frames)}
        for grows, shapes in (("batch", batches), ("frames", lengths)):
            rows += [
                {"precision": precision, "grows": grows, **row}
                for row in _rows(args, model, shapes)
            ]
        tf.keras.backend.clear_session()
    return {"settings": vars(args), "rows": rows}


def _rows(
    args: argparse.Namespace, model: tf.keras.Model, shapes: dict[int, tuple[int, int]]
) -> list[dict[str, Any]]:
    """Measures all shapes in turn: a growing number -> batch size and frames."""
    steps = {}
    for number, shape in shapes.items():
        clips = tf.random.stateless_uniform((*shape, args.size, args.size, 3), (0, 0))
        steps[str(number)] = limits.prepared(backbones.training_step(model, clips))
    times = timing.measure(steps, args.repeats)
    first = min(shapes)
    rows = []
    for number, (clips, frames) in shapes.items():
        measured = times[str(number)]
        grown = timing.ratios(measured, times[str(first)]) / (number / first)
        rows.append(
            {
                "clips": clips,
                "frames": frames,
                "step_s": timing.median(measured.wall),
                "spread": timing.spread(measured.wall),
                "cpu_s": timing.median(measured.cpu),
                "relative": timing.median(grown),
            }
        )
    return rows
