"""Multiply-adds of a graph: what its convolutions and matrix products cost.

The count is the field's: one for each weight times value that is added up, padding included; twice that is
the number of floating point operations. Normalisation, activations, pooling and additions are left out.
"""

from __future__ import annotations

import math
from typing import Callable

import tensorflow as tf

from brave_tf import compat


class UnknownCostError(ValueError):
    """The shape of a tensor, or the number of turns of a loop, is only known when the graph runs."""


def operation_cost(op: tf.Operation) -> int:
    """Returns the multiply-adds of one operation, those of the functions that it calls included.

    A loop counts as often as it turns, and of the branches of a condition the most expensive one.

    Raises:
      UnknownCostError: a size that matters is not known before the graph runs.
    """
    if op.type in _COSTS:
        return _COSTS[op.type](op)
    if op.type in ("If", "StatelessIf"):
        return max(_called(op, "then_branch"), _called(op, "else_branch"))
    if op.type in ("While", "StatelessWhile"):
        turn = _called(op, "body")
        return turn * _turns(op) if turn else 0
    return _called(op, "f")


def graph_cost(graph: tf.Graph) -> int:
    """Returns the multiply-adds of what a function's outputs need; raises as `operation_cost`."""
    needed: set[tf.Operation] = set()
    waiting = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    while waiting:
        op = waiting.pop()
        if op not in needed:
            needed.add(op)
            waiting += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    return sum(map(operation_cost, needed))


def _called(op: tf.Operation, attribute: str) -> int:
    """Returns the cost of the function that an attribute of an operation names, 0 when there is none."""
    graph = _function_graph(op, attribute)
    return graph_cost(graph) if graph is not None else 0


def _function_graph(op: tf.Operation, attribute: str) -> tf.Graph | None:
    if attribute not in op.node_def.attr or not op.node_def.attr[attribute].HasField("func"):
        return None
    return compat.function_graph(op, op.node_def.attr[attribute].func.name)


def _turns(op: tf.Operation) -> int:
    """Returns how often a loop turns that counts up one by one to a limit, as those of Keras do."""
    condition = _function_graph(op, "cond")
    before = {inside.ref(): outside for inside, outside in zip(condition.inputs, op.inputs)}

    def known(tensor: tf.Tensor) -> int | None:
        return _known(before.get(tensor.ref(), tensor))

    # The second value that goes into a loop is the most turns that it may take, -1 for no limit.
    limits = [known(op.inputs[1])]
    waiting = [condition.outputs[0].op]
    while waiting:
        test = waiting.pop()
        if test.type in ("Identity", "LogicalAnd"):
            waiting += [tensor.op for tensor in test.inputs]
        elif test.type == "Less":
            first, last = map(known, test.inputs)
            limits.append(None if None in (first, last) else last - first)
    limits = [limit for limit in limits if limit is not None and limit >= 0]
    if not limits:
        raise UnknownCostError(f"{op.name} turns an unknown number of times")
    return min(limits)


def _known(number: tf.Tensor) -> int | None:
    """Returns a whole number that is a constant, or the size of an axis."""
    if not number.dtype.is_integer:
        return None
    if number.op.type == "StridedSlice":
        sizes, first = map(tf.get_static_value, number.op.inputs[:2])
        return None if sizes is None or first is None else int(sizes[first[0]])
    value = tf.get_static_value(number)
    return None if value is None else int(value)


def elements(tensor: tf.Tensor, first: int = 0, last: int | None = None) -> int:
    """Returns the product of the sizes of a tensor's axes from `first` to before `last`."""
    if not tensor.shape.is_fully_defined():
        raise UnknownCostError(f"{tensor.name} has the shape {tensor.shape}")
    return math.prod(tensor.shape.as_list()[first:last])


def _convolution(op: tf.Operation) -> int:
    # (..., channels in each group, channels out): every output value sums all but the last axis.
    return elements(op.outputs[0]) * elements(op.inputs[1], last=-1)


def _depthwise(op: tf.Operation) -> int:
    return elements(op.outputs[0]) * elements(op.inputs[1], last=2)


def _transposed(op: tf.Operation) -> int:
    # Each value that goes in is spread over the kernel and all channels out.
    return elements(op.inputs[2]) * elements(op.inputs[1], last=-1)


def _product(transposed: str) -> Callable[[tf.Operation], int]:
    def cost(op: tf.Operation) -> int:
        inner = -2 if op.get_attr(transposed) else -1
        elements(op.inputs[0])
        return elements(op.outputs[0]) * op.inputs[0].shape[inner]

    return cost


def _einsum(op: tf.Operation) -> int:
    """Every combination of all indices is one multiply-add; with one operand there is nothing to multiply."""
    if len(op.inputs) < 2:
        return 0
    operands = op.get_attr("equation").decode().split("->")[0].split(",")
    sizes: dict[object, int] = {}
    for labels, tensor in zip(operands, op.inputs):
        elements(tensor)
        before, dots, after = labels.partition("...")
        broadcast = len(tensor.shape) - len(before) - len(after) if dots else 0
        # Axes of an ellipsis are lined up at their last one.
        axes = [*before, *range(-broadcast, 0), *after]
        for axis, size in zip(axes, tensor.shape.as_list()):
            sizes[axis] = max(size, sizes.get(axis, 1))
    return math.prod(sizes.values())


_COSTS: dict[str, Callable[[tf.Operation], int]] = {
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _transposed,
    "Conv3DBackpropInputV2": _transposed,
    "MatMul": _product("transpose_a"),
    "BatchMatMul": _product("adj_x"),
    "BatchMatMulV2": _product("adj_x"),
    "BatchMatMulV3": _product("adj_x"),
    "Einsum": _einsum,
}
