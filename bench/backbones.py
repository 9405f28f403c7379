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

from bench import limits, recipe_step, timing
from brave_tf.errors import UserError, did_you_mean
from brave_tf.inspection.multiply_adds import graph_cost
from brave_tf.models.audio_light import audio_light
from brave_tf.models.audio_resnet import audio_resnet
from brave_tf.models.audio_resnet_v1 import audio_resnet_v1
from brave_tf.models.avid_audio import avid_audio
from brave_tf.models.avid_video import avid_video
from brave_tf.models.r2plus1d import r2plus1d
from brave_tf.models.r3d import r3d
from brave_tf.models.s3d import s3d
from brave_tf.models.slow import slow
from brave_tf.models.tsm_light import tsm_light
from brave_tf.models.tsm_resnet import tsm_resnet

_CLIP, _SOUND = (16, 112, 112, 3), (1024, 80)
_BACKBONES: dict[str, tuple[Callable[[], tf.keras.Model], tuple[int, ...]]] = {
    "tsm_resnet_50": (tsm_resnet, _CLIP),
    "tsm_resnet_50_x2": (functools.partial(tsm_resnet, width_multiplier=2), _CLIP),
    "r3d_50": (r3d, _CLIP),
    "slow_50": (slow, _CLIP),
    "r2plus1d_18": (functools.partial(r2plus1d, depth=18), _CLIP),
    "r2plus1d_50": (functools.partial(r2plus1d, depth=50), _CLIP),
    "avid_video": (avid_video, _CLIP),
    "s3d_g": (s3d, _CLIP),
    "tsm_light": (tsm_light, _CLIP),
    "audio_resnet_50": (audio_resnet, _SOUND),
    "audio_resnet_9": (audio_resnet_v1, _SOUND),
    "avid_audio": (avid_audio, _SOUND),
    "audio_light": (audio_light, _SOUND),
}
_LIMIT = "matrix product"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    names = ", ".join(_BACKBONES)
    parser.add_argument("--backbones", default="", help=f"some of {names}; all by default")
    recipe_step.add_variant_arguments(parser)
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
                f"{did_you_mean(name, _BACKBONES)}"
            )
    variants = recipe_step.variants(args)
    rows = [_row(name, *variant, args) for name in names for variant in variants]
    return {"settings": {**vars(args), "variants": variants}, "rows": rows}


def _row(name: str, precision: str, xla: str, args: argparse.Namespace) -> dict[str, Any]:
    tf.keras.mixed_precision.set_global_policy(limits.POLICIES[precision])
    build, shape = _BACKBONES[name]
    model = build()
    batch = tf.random.stateless_uniform((args.batch_size, *shape), (0, 0))
    product = limits.product(args.matrix, precision)
    forward, step = (
        forward_pass(model, batch, xla == "on"),
        training_step(model, batch, xla == "on"),
    )
    functions = {_LIMIT: product, "forward": forward, "step": step}
    functions = {key: limits.prepared(function) for key, function in functions.items()}
    costs = graph_cost(forward.get_concrete_function().graph)
    times = timing.measure(functions, args.repeats)
    work = {_LIMIT: args.matrix**3, "forward": costs, "step": costs * limits.STEP_COST}
    tf.keras.backend.clear_session()
    return {
        "backbone": name,
        "precision": precision,
        "xla": xla,
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


def forward_pass(
    model: tf.keras.Model, batch: tf.Tensor, xla: bool = False
) -> tf.types.experimental.GenericFunction:
    """Returns the model's inference on a batch, as a graph."""
    return tf.function(lambda: model(batch, training=False), jit_compile=xla)


def training_step(
    model: tf.keras.Model, batch: tf.Tensor, xla: bool = False
) -> tf.types.experimental.GenericFunction:
    """Returns a step of SGD with momentum on a batch, as a graph."""
    optimizer = tf.keras.optimizers.SGD(1e-3, momentum=0.9, jit_compile=False)
    optimizer.build(model.trainable_variables)

    @functools.partial(tf.function, jit_compile=xla)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(batch, training=True)))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return step
