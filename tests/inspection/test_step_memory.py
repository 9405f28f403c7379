"""The estimate of a step's memory against graphs counted by hand, and against processes."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf
from of_a_kind import some_long

from brave_tf.inspection import step_memory

MB = 1 << 20
SIDE = 512  # A (512, 512) float32 tensor is one MB.


def estimate(function, *shapes, gradient=False):
    """Memory in MB of a function of tensors, or of its gradient in the first one: kept, peak."""
    count = []

    def step(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors[0])
            result = function(*tensors)
        count.append(len(result.graph.get_operations()))
        return tape.gradient(result, tensors[0]) if gradient else result

    specs = [tf.TensorSpec(shape) for shape in shapes]
    concrete = tf.function(step, autograph=False).get_concrete_function(*specs)
    operations = concrete.graph.get_operations()
    memory = step_memory.step_memory(operations, count[-1], concrete.outputs)
    return sum(memory.kept.values()) / MB, memory.peak / MB


def test_a_value_goes_when_nothing_reads_it_any_more():
    square = (SIDE, SIDE)
    # The input, and one product after another, of which two are there at a time.
    assert estimate(lambda x: x @ x @ x @ x, square)[1] == 3
    # The first product is read at the end.
    assert estimate(lambda x: (lambda y: (y @ x @ x @ x) @ y)(x @ x), square)[1] == 4


def test_elementwise_operations_write_over_their_input():
    square = (SIDE, SIDE)
    assert estimate(lambda x: tf.nn.relu(tf.nn.relu(x @ x)), square)[1] == 2
    # The input of the first relu is read again.
    assert estimate(lambda x: (lambda y: tf.nn.relu(y) @ y)(x @ x), square)[1] == 4


def test_reshaped_values_share_memory():
    function = lambda x: tf.reshape(tf.identity(tf.reshape(x @ x, (-1,))), (SIDE, SIDE))  # noqa: E731
    assert estimate(function, (SIDE, SIDE))[1] == 2


def test_what_the_gradient_reads_is_kept():
    # The gradient of a square root reads its result, that of a sum nothing.
    kept, _ = estimate(lambda x: tf.reduce_sum(tf.sqrt(x)), (SIDE, SIDE), gradient=True)
    assert kept == 1
    kept, _ = estimate(
        lambda x: tf.reduce_sum(tf.sqrt(tf.sqrt(tf.sqrt(x)))), (SIDE, SIDE), gradient=True
    )
    assert kept == 3
    kept, _ = estimate(lambda x: tf.reduce_sum(x + x), (SIDE, SIDE), gradient=True)
    assert kept == 0


def test_recomputed_values_are_not_kept():
    function = lambda x: tf.sqrt(tf.sqrt(tf.sqrt(x @ x)))  # noqa: E731
    loss = lambda f: lambda x: tf.reduce_sum(f(x))  # noqa: E731
    kept, peak = estimate(loss(function), (SIDE, SIDE), gradient=True)
    again, lower = estimate(loss(tf.recompute_grad(function)), (SIDE, SIDE), gradient=True)
    assert again < kept
    assert lower <= peak + 1


def test_half_the_precision_is_half_the_memory():
    half = lambda x: tf.cast(x, tf.bfloat16) @ tf.cast(x, tf.bfloat16)  # noqa: E731
    _, peak = estimate(half, (SIDE, SIDE))
    assert peak == 1 + 3 * 0.5


GROWTH = pathlib.Path(__file__).parent.parent / "helpers" / "step_growth.py"


@pytest.mark.parametrize(
    ("backbone", "size", "batch"),
    some_long([("tsm_light", 48, 64), ("tsm_resnet", 64, 16)], [("tsm_light", 48, 64)]),
)
def test_a_process_grows_as_estimated(backbone, size, batch):
    command = [sys.executable, GROWTH, backbone, str(size), str(batch)]
    # oneDNN is off on older processors. Without it, gradients of convolutions fill the cache with buffers.
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    shown = done.stdout
    result = json.loads(shown.splitlines()[-1])
    assert result["estimated"] > 100 * MB
    assert 0.7 < result["measured"] / result["estimated"] < 1.6
