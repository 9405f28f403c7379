"""Multiply-adds against closed forms, and TensorFlow's own count of floating point operations."""

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.inspection import multiply_adds
from brave_tf.models.tsm_resnet import tsm_resnet

layers = tf.keras.layers


def traced(function, *shapes):
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return tf.function(function, autograph=False).get_concrete_function(*specs).graph


def cost(function, *shapes):
    return multiply_adds.graph_cost(traced(function, *shapes))


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Conv2D(8, (3, 5), 2, padding="same"), (2, 9, 8, 4), 2 * 5 * 4 * 8 * 3 * 5 * 4),
        (layers.Conv2D(8, 3, padding="valid"), (1, 9, 8, 4), 7 * 6 * 8 * 9 * 4),
        (layers.Conv2D(8, 3, groups=2), (1, 9, 8, 4), 7 * 6 * 8 * 9 * 2),
        (layers.Conv2D(6, 3, dilation_rate=2), (1, 10, 8, 4), 6 * 4 * 6 * 9 * 4),
        (layers.Conv3D(6, (1, 3, 3), padding="same"), (2, 4, 5, 5, 3), 2 * 4 * 25 * 6 * 9 * 3),
        (layers.Conv3D(6, (3, 1, 1), (2, 1, 1)), (1, 7, 5, 5, 3), 3 * 25 * 6 * 3 * 3),
        (layers.Conv1D(6, 3), (2, 10, 4), 2 * 8 * 6 * 3 * 4),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (1, 9, 8, 4), 7 * 6 * 4 * 2 * 9),
        (layers.SeparableConv2D(6, 3), (1, 9, 8, 4), 7 * 6 * 4 * 9 + 7 * 6 * 4 * 6),
        (layers.Conv2DTranspose(6, 3, 2), (2, 4, 5, 3), 2 * 4 * 5 * 3 * 9 * 6),
        (layers.Conv3DTranspose(6, 3), (1, 4, 5, 5, 3), 4 * 25 * 3 * 27 * 6),
        (layers.Dense(7), (3, 5), 3 * 5 * 7),
        (layers.Dense(7), (3, 4, 5), 3 * 4 * 5 * 7),
        (layers.BatchNormalization(), (3, 4, 5, 6), 0),
        (layers.MaxPool2D(), (3, 4, 6, 6), 0),
    ],
    ids=lambda value: value.name if isinstance(value, layers.Layer) else None,
)
def test_layers_cost_what_their_formula_says(layer, shape, expected):
    assert cost(layer, shape) == expected


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        (lambda a, b: tf.matmul(a, b, transpose_a=True), [(5, 3), (5, 7)], 3 * 5 * 7),
        (lambda a, b: tf.matmul(a, b, transpose_b=True), [(2, 3, 5), (2, 7, 5)], 2 * 3 * 5 * 7),
        (lambda a, b: tf.matmul(a, b, adjoint_a=True), [(2, 5, 3), (2, 5, 7)], 2 * 3 * 5 * 7),
        (lambda a, b: tf.matmul(a, b), [(4, 1, 3, 5), (2, 5, 7)], 4 * 2 * 3 * 5 * 7),
        (lambda a, b: tf.einsum("btd,bsd->bts", a, b), [(2, 3, 5), (2, 7, 5)], 2 * 3 * 7 * 5),
        (lambda a, b: tf.einsum("...d,de->...e", a, b), [(2, 3, 5), (5, 7)], 2 * 3 * 5 * 7),
        (lambda a, b: tf.einsum("...ij,...jk->...ik", a, b), [(4, 2, 3), (3, 5)], 4 * 2 * 3 * 5),
        (lambda a, b: tf.einsum("ij->ji", a) + b, [(2, 3), (3, 2)], 0),
    ],
)
def test_matrix_products_cost_every_combination_of_their_indices(function, shapes, expected):
    assert cost(function, *shapes) == expected


def test_functions_inside_count_each_time_they_are_called():
    dense = layers.Dense(4)
    dense.build((None, 4))
    inner = tf.function(dense, autograph=False)
    assert cost(lambda x: inner(inner(x)), (3, 4)) == 2 * 3 * 4 * 4


def test_of_a_condition_the_expensive_branch_counts():
    a, b = tf.ones((4, 4)), tf.ones((4, 8))

    def condition(x):
        product = lambda: tf.reduce_sum(x @ a @ a)  # noqa: E731
        return tf.cond(tf.reduce_sum(x) > 0, product, lambda: tf.reduce_sum(x @ b))

    assert cost(condition, (3, 4)) == 2 * 3 * 4 * 4


@pytest.mark.parametrize("steps", [2, 5])
def test_loops_count_every_turn(steps):
    recurrent = 4 * 3 * 8 + 4 * 8 * 8
    assert cost(layers.LSTM(8), (2, steps, 3)) == 2 * steps * recurrent
    each = lambda x: tf.map_fn(lambda row: row @ tf.ones((4, 6)), x)  # noqa: E731
    assert cost(each, (steps, 3, 4)) == steps * 3 * 4 * 6


def test_a_loop_without_end_in_sight_has_no_number():
    a = tf.ones((4, 4))
    loop = lambda x: tf.while_loop(lambda y: tf.reduce_sum(y) < 9, lambda y: y @ a, [x])  # noqa: E731
    with pytest.raises(multiply_adds.UnknownCostError, match="turns"):
        cost(loop, (3, 4))
    harmless = lambda x: tf.while_loop(lambda y: tf.reduce_sum(y) < 9, lambda y: y + 1, [x])  # noqa: E731
    assert cost(harmless, (3, 4)) == 0


def test_attention_is_counted():
    attention = layers.MultiHeadAttention(num_heads=2, key_dim=3)
    tokens, width, inner = 5, 8, 2 * 3
    projections = 4 * tokens * width * inner
    products = 2 * tokens * tokens * inner
    assert cost(lambda x: attention(x, x), (1, tokens, width)) == projections + products


def test_a_size_that_is_not_known_is_no_number():
    layer = layers.Dense(3)
    with pytest.raises(multiply_adds.UnknownCostError, match="shape"):
        cost(layer, (None, 4))


def test_tsm_50_costs_4_billion_a_frame():
    model = tsm_resnet(depth=50)
    graph = traced(lambda x: model(x, training=False), (1, 8, 224, 224, 3))
    billions = multiply_adds.graph_cost(graph) / 1e9
    np.testing.assert_allclose(billions, 8 * 4.1, rtol=0.02)

    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    options["account_type_regexes"] = ["Conv2D"]
    profile = tf.compat.v1.profiler.profile(graph, options=options)
    np.testing.assert_allclose(profile.total_float_ops / 2e9, billions, rtol=1e-3)
