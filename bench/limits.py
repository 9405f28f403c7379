"""What the machine can do at best: matrix products and memory copies on all cores."""

from __future__ import annotations

import argparse
import concurrent.futures
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from bench import timing
from brave_tf.data.sources.record_stream import CORES

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
# A step's multiply-adds over its forward pass's: the gradients of inputs and of weights cost as much each.
STEP_COST = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add_size_arguments(parser)
    parser.add_argument("--repeats", type=int, default=9)


def add_size_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of how large the work of the limits is."""
    parser.add_argument("--matrix", type=int, default=4096, help="side of the limit's matrices")
    parser.add_argument("--copy_mb", type=int, default=256, help="size of the limit's copy")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures all limits in turn."""
    functions = {f"product, {p}": prepared(product(args.matrix, p)) for p in POLICIES}
    functions["copy"] = prepared(copy(args.copy_mb))
    work = {**dict.fromkeys(functions, args.matrix**3), "copy": copied_bytes(args.copy_mb)}
    times = timing.measure(functions, args.repeats)
    rows = []
    for name in functions:
        rate = times[name].rate(work[name] / 1e9)
        unit = "GB/s" if name == "copy" else "Gmadds/s"
        rows.append({"limit": name, "unit": unit, "rate": rate["per_s"], "spread": rate["spread"]})
    return {"settings": vars(args), "rows": rows}


def product(side: int, precision: str) -> Callable[[], Any]:
    """Returns the product of two square matrices: side**3 multiply-adds."""
    a, b = (tf.random.stateless_normal((side, side), (0, i)) for i in range(2))
    a, b = (tf.cast(matrix, precision) for matrix in (a, b))
    return tf.function(lambda: tf.linalg.matmul(a, b))


def copy(megabytes: int) -> Callable[[], Any]:
    """Returns a copy of memory by as many threads as there are cores."""
    source = np.ones(megabytes * 2**20, np.uint8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, CORES), np.array_split(source, CORES)))
    pool = concurrent.futures.ThreadPoolExecutor(CORES)
    return lambda: list(pool.map(lambda part: np.copyto(*part), parts))


def copied_bytes(megabytes: int) -> int:
    """Returns the bytes that such a copy reads and writes."""
    return 2 * megabytes * 2**20


def prepared(
    function: Callable[[], Any], warm_up: Callable[[], Any] | None = None
) -> Callable[[], Callable[[], Any]]:
    """Traces and warms up a function, or what is in it; returns the set-up of `timing.measure`."""
    for _ in range(2):
        (warm_up or function)()
    return lambda: function
