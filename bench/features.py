"""Extraction of features for evaluation, beside the bare forward pass of as many windows.

Rendered clips of 10 s, or those of --data=DIR, are cut into the test crops of the evaluation, 10 in time
times 3 in space if `eval_windows` is not bound, and embedded by the narrow view's backbone of a recipe, as a
task does; `share` is the speed over that of the forward pass on windows that are there already.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
from typing import Any

import tensorflow as tf

from bench import clips, limits, recipe_step, timing
from brave_tf import config
from brave_tf.evaluation.features.feature_bank import FeatureBank
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.features.windows import EvalWindows
from brave_tf.interop.models import FrozenBackbone
from brave_tf.objectives.base import NARROW
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

_FORWARD, _EXTRACTION = "forward pass", "extraction"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    recipe_step.add_gin_arguments(parser)
    recipe_step.add_precision_argument(parser)
    clips.add_data_arguments(parser, default=2)
    parser.add_argument("--repeats", type=int, default=3)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures extraction and forward pass in turn, in each precision."""
    config.load_config(args.gin_file or recipe_step.RECIPE, args.gin_bindings)
    with clips.given_or_rendered(args) as data:
        rows = [
            row
            for precision in recipe_step.precisions(args)
            for row in _rows(args, precision, *data)
        ]
    windows = dataclasses.asdict(EvalWindows())
    return {"settings": {**vars(args), "eval_windows": windows}, "rows": rows}


def _rows(
    args: argparse.Namespace, precision: str, data_dir: str, split: str
) -> list[dict[str, Any]]:
    bank = FeatureBank(_probe(precision), data_dir)
    temporal, spatial = bank.windows.crops(bank.view)
    count, size = len(bank.labels(split)) * temporal * spatial, bank.windows.batch_size
    batch = tf.random.stateless_uniform((size, *bank.view.shape), (0, 0))
    forward = tf.function(lambda: bank.probe.embed(batch))

    def all_forward() -> None:
        for _ in range(-(-count // size)):
            forward()

    # Nothing is cached: features are computed whenever they are asked for.
    functions = {
        _FORWARD: limits.prepared(all_forward, forward),
        _EXTRACTION: lambda: lambda: bank.test(split),
    }
    times = timing.measure(functions, args.repeats)
    tf.keras.backend.clear_session()
    return [_row(precision, name, count, times) for name in functions]


def _probe(precision: str) -> Probe:
    policy = limits.POLICIES[precision]
    tf.keras.mixed_precision.set_global_policy(policy)
    recipe = bound(Recipe)
    objective = recipe.build(bound(Settings).seed)
    backbone = FrozenBackbone(functools.partial(objective.embed, NARROW), precision=policy)
    return Probe(NARROW, recipe.views[NARROW], True, backbone)


def _row(precision: str, name: str, count: int, times: dict[str, timing.Times]) -> dict[str, Any]:
    rate = times[name].rate(count)
    return {
        "precision": precision,
        "what": name,
        "windows": count,
        "windows_per_s": rate["per_s"],
        "spread": rate["spread"],
        "cpu_ms_per_window": rate["cpu_ms_each"],
        "share": timing.median(timing.ratios(times[_FORWARD], times[name])),
        "cpu_share": times[_FORWARD].rate(count)["cpu_ms_each"] / rate["cpu_ms_each"],
    }
