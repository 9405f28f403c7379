"""Where the time of a recipe's training step goes, by kind of operation, in a trace of TensorFlow's profiler.

Times are those that kernels take, summed; on several cores some run side by side. --logdir=DIR keeps the
trace for TensorBoard's profile plugin. For the primitives inside convolutions, and the change of layouts
around them, set ONEDNN_VERBOSE=1.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import re
import tempfile
from typing import Any

import tensorflow as tf

# TensorFlow has no public way to read the traces that it writes.
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from bench import recipe_step

_UPDATE = "optimizer update"
_OTHER = "element-wise and other"
_KINDS = {
    "convolution, gradient of the weights": r"Conv\w*BackpropFilter",
    "convolution, gradient of the input": r"Conv\w*BackpropInput",
    "convolution": r"Conv[23]D",
    "matrix product": r"MatMul|Einsum",
    "normalisation": r"BatchNorm",
    "relu": r"Relu",
    "pooling": r"Pool",
    "casts": r"^_?(Mkl)?Cast",
    "copies": r"Concat|Slice|Pad|Tile|Transpose|Gather|Split|Pack|Reverse",
}
_CALLS = r"PartitionedCall$|^While$|^If$"  # Their time is that of what they call.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    recipe_step.add_recipe_arguments(parser)
    recipe_step.add_precision_argument(parser)
    parser.add_argument("--repeats", type=int, default=3, help="steps in the trace")
    parser.add_argument("--logdir", help="folder that keeps the traces")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Traces the step in each precision."""
    rows = []
    for precision in recipe_step.precisions(args):
        with tempfile.TemporaryDirectory() as folder:
            logdir = pathlib.Path(args.logdir or folder) / precision
            rows += _rows(args, precision, logdir)
    return {"settings": vars(args), "rows": rows}


def _rows(args: argparse.Namespace, precision: str, logdir: pathlib.Path) -> list[dict[str, Any]]:
    measured = recipe_step.build(args, precision, "off")
    step = measured.step()
    for _ in range(2):
        step()
    tf.profiler.experimental.start(str(logdir))
    for _ in range(args.repeats):
        step()
    tf.profiler.experimental.stop()
    seconds, numbers = spent(logdir, measured.objective.optimizer.name)
    tf.keras.backend.clear_session()
    total = sum(seconds.values())
    return [
        {
            "precision": precision,
            "kind": kind,
            "operations": numbers[kind] / args.repeats,
            "ms_per_step": 1000 * seconds[kind] / args.repeats,
            "share": seconds[kind] / total,
        }
        for kind, _ in seconds.most_common()
    ]


def spent(logdir: pathlib.Path, optimizer: str) -> tuple[collections.Counter, collections.Counter]:
    """Reads the newest trace of a folder.

    Args:
      logdir: that the profiler wrote to.
      optimizer: name of the optimizer, which its operations begin with.

    Returns:
      Kind -> seconds, and kind -> number of operations, in the whole trace.
    """
    trace = max(logdir.rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime)
    space = xplane_pb2.XSpace.FromString(trace.read_bytes())
    seconds, numbers = collections.Counter(), collections.Counter()
    for plane in space.planes:
        names = {key: metadata.name for key, metadata in plane.event_metadata.items()}
        for event in (event for line in plane.lines for event in line.events):
            # Kernels are traced as name:type.
            kernel = re.fullmatch(r"([\w./-]+):(\w+)", names[event.metadata_id])
            if not kernel or re.search(_CALLS, kernel[2]):
                continue
            kind = _kind(kernel[1], kernel[2], optimizer)
            seconds[kind] += event.duration_ps / 1e12
            numbers[kind] += 1
    return seconds, numbers


def _kind(name: str, operation: str, optimizer: str) -> str:
    if name.startswith(f"{optimizer}/"):
        return _UPDATE
    found = (kind for kind, pattern in _KINDS.items() if re.search(pattern, operation))
    return next(found, _OTHER)
