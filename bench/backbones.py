"""Backbones: time of a forward pass and of a training step, beside a large matrix product.

Each backbone sees --batch_size clips of 16 frames of 112 pixels, or 1,024 x 80 spectrograms. A step is a
forward pass in training mode, its gradients, and SGD with momentum. Multiply-adds are those of the
convolutions and matrix products, three times the forward pass's for a step; the limit is the product of two
square matrices in the same precision, in the same turn.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping
from typing import Any, Callable

import tensorflow as tf

from bench import timing
from brave_tf.errors import UserError, nearest
from brave_tf.inspection.multiply_adds import graph_cost
from brave_tf.models.audio_light import audio_light
from brave_tf.models.audio_resnet import audio_resnet
from brave_tf.models.r2plus1d import r2plus1d
from brave_tf.models.r3d import r3d
from brave_tf.models.s3d import s3d
from brave_tf.models.tsm_light import tsm_light
from brave_tf.models.tsm_resnet import tsm_resnet

_CLIP, _SOUND = (16, 112, 112, 3), (1024, 80)
_BACKBONES: dict[str, tuple[Callable[[], tf.keras.Model], tuple[int, ...]]] = {
    "tsm_resnet_50": (tsm_resnet, _CLIP),
    "tsm_resnet_50_x2": (functools.partial(tsm_resnet, width_multiplier=2), _CLIP),
    "r3d_50": (r3d, _CLIP),
    "r2plus1d_18": (functools.partial(r2plus1d, depth=18), _CLIP),
    "r2plus1d_50": (functools.partial(r2plus1d, depth=50), _CLIP),
    "s3d_g": (s3d, _CLIP),
    "tsm_light": (tsm_light, _CLIP),
    "audio_resnet_50": (audio_resnet, _SOUND),
    "audio_light": (audio_light, _SOUND),
}
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
_LIMIT = "matrix product"
_BACKWARD = 2  # Gradients of inputs and of weights each cost a forward pass.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    names = ", ".join(_BACKBONES)
    parser.add_argument("--backbones", default="", help=f"some of {names}; all by default")
    parser.add_argument("--precision", choices=list(_POLICIES), action="append")
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--matrix", type=int, default=4096, help="side of the limit's matrices")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures one backbone after the other, each in turn with the limit."""
    names = args.backbones.split(",") if args.backbones else list(_BACKBONES)
    for name in names:
        if name not in _BACKBONES:
            raise UserError(
                f"--backbones={name}: expected some of {', '.join(_BACKBONES)}."
                f"{nearest(name, _BACKBONES)}"
            )
    precisions = args.precision or list(_POLICIES)
    rows = [_row(name, precision, args) for name in names for precision in precisions]
    return {"settings": {**vars(args), "precision": precisions}, "rows": rows}


def _row(name: str, precision: str, args: argparse.Namespace) -> dict[str, Any]:
    tf.keras.mixed_precision.set_global_policy(_POLICIES[precision])
    build, shape = _BACKBONES[name]
    model = build()
    batch = tf.random.stateless_uniform((args.batch_size, *shape), (0, 0))
    forward, step = _forward(model, batch), _step(model, batch)
    functions = {_LIMIT: _product(args.matrix, precision), "forward": forward, "step": step}
    functions = {key: _prepared(function) for key, function in functions.items()}
    costs = graph_cost(forward.get_concrete_function().graph)
    times = timing.measure(functions, args.repeats)
    work = {_LIMIT: args.matrix**3, "forward": costs, "step": costs * (1 + _BACKWARD)}
    tf.keras.backend.clear_session()
    return {
        "backbone": name,
        "precision": precision,
        "gmadds_per_clip": costs / args.batch_size / 1e9,
        **_speed(times, work, "forward"),
        **_speed(times, work, "step"),
        "limit_gmadds_per_s": times[_LIMIT].rate(work[_LIMIT])["per_s"] / 1e9,
    }


def _speed(
    times: Mapping[str, timing.Times], work: Mapping[str, int], name: str
) -> dict[str, float]:
    """Returns seconds, their spread, and the share of the limit's multiply-adds per second."""
    relative = work[name] / work[_LIMIT] / timing.ratios(times[name], times[_LIMIT])
    return {
        f"{name}_s": timing.median(times[name].wall),
        f"{name}_spread": timing.spread(times[name].wall),
        f"{name}_share": timing.median(relative),
    }


def _prepared(function: Callable[[], Any]) -> Callable[[], Callable[[], Any]]:
    """Traces and warms up a function, whose calls are timed one by one."""
    for _ in range(2):
        function()
    return lambda: function


def _product(side: int, precision: str) -> Callable[[], tf.Tensor]:
    a, b = (tf.random.stateless_normal((side, side), (0, i)) for i in range(2))
    a, b = (tf.cast(matrix, precision) for matrix in (a, b))
    return tf.function(lambda: tf.linalg.matmul(a, b))


def _forward(model: tf.keras.Model, batch: tf.Tensor) -> tf.types.experimental.GenericFunction:
    return tf.function(lambda: model(batch, training=False))


def _step(model: tf.keras.Model, batch: tf.Tensor) -> Callable[[], tf.Tensor]:
    optimizer = tf.keras.optimizers.SGD(1e-3, momentum=0.9, jit_compile=False)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(batch, training=True)))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return step
