"""Traces a training step of an objective, and tells what each of its parts costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Callable

import tensorflow as tf

from brave_tf import compat
from brave_tf.data.views.base import View
from brave_tf.inspection.multiply_adds import UnknownCostError, operation_cost
from brave_tf.inspection.step_memory import step_memory
from brave_tf.objectives.base import Objective
from brave_tf.objectives.state import State

OTHER = "losses and other"


@dataclasses.dataclass
class Part:
    """A part of an objective: a backbone, a head, or what is outside of them.

    Attributes:
      name: of the part; that of a backbone has its views before it.
      calls: how often a step calls it.
      takes: shape of what goes in at the first call, without the batch; None when it is never called.
      gives: shape of what comes out, likewise.
      parameters: weights, those that are not trained included.
      trainable: those that are trained.
      multiply_adds: of the forward pass, per clip; None where shapes are not known before it runs.
      kept: bytes that its forward pass keeps for the backward pass, per clip.
      state: bytes of it that no gradient trains, of a `State`; 0 for all else.
    """

    name: str
    calls: int = 0
    takes: tuple[int | None, ...] | None = None
    gives: tuple[int | None, ...] | None = None
    parameters: int = 0
    trainable: int = 0
    multiply_adds: int | None = 0
    kept: float = 0.0
    state: int = 0


@dataclasses.dataclass(frozen=True)
class ModelTrace:
    """Parts of an objective, and the estimated peak of a training step in bytes."""

    parts: list[Part]
    peak: int


def trace_model(objective: Objective, views: Mapping[str, View], batch_size: int) -> ModelTrace:
    """Traces the losses and gradients of a batch without running them.

    Args:
      objective: built, compiled or not.
      views: what its backbones see.
      batch_size: clips of the batch.
    """
    layers = _layers(objective)
    parts = [_part(name, layer) for name, layer in layers]
    calls: list[_Call] = []
    seen: dict[str, object] = {}

    def step(batch: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            terms = objective.terms(batch, training=True)
            loss = tf.add_n([tf.reduce_mean(losses) for losses in terms.losses.values()])
        seen["graph"] = loss.graph
        seen["forward"] = len(loss.graph.get_operations())
        gradients = tape.gradient(loss, objective.trainable_variables)
        return [tf.convert_to_tensor(g) for g in gradients if g is not None]

    batch = {name: tf.TensorSpec((batch_size, *view.shape)) for name, view in views.items()}
    for name in ("label", *objective.clip_fields):
        batch[name] = tf.TensorSpec((batch_size,), tf.int64)
    of_layer = {id(layer): part for part, (_, layer) in zip(parts, layers)}
    with compat.around_own_calls([layer for _, layer in layers], _recorder(of_layer, calls)):
        concrete = tf.function(step).get_concrete_function(batch)
    parts += [_state_part(state) for state in objective.nested(State)]
    other = _other(objective, parts)
    operations = concrete.graph.get_operations()
    memory = step_memory(operations, seen["forward"], concrete.outputs)
    owners = _owners(calls, concrete.graph, seen["forward"], other)
    for number, op in enumerate(operations[: seen["forward"]]):
        _charge(owners[number], op, batch_size)
        owners[number].kept += memory.kept.get(number, 0) / batch_size
    return ModelTrace([*parts, other], memory.peak)


@dataclasses.dataclass(frozen=True)
class _Call:
    """A call of a part: the operations of a graph from `begin` to before `end`."""

    part: Part
    graph: tf.Graph
    begin: int
    end: int


def _layers(objective: Objective) -> list[tuple[str, tf.keras.layers.Layer]]:
    """Returns name and layer of the backbones, then of the layers that the objective has beside them."""
    views: dict[int, list[str]] = {}
    for view, backbone in objective.backbones.items():
        views.setdefault(id(backbone), []).append(view)
    unique = {id(backbone): backbone for backbone in objective.backbones.values()}
    backbones = [(f"{', '.join(views[key])}: {layer.name}", layer) for key, layer in unique.items()]
    # Of objectives that are parts of it too, which share its backbones.
    beside = {
        id(layer): layer
        for each in objective.nested(Objective)
        for layer in each.layers
        if not isinstance(layer, (tf.keras.metrics.Metric, Objective))
    }
    heads = [(layer.name, layer) for key, layer in beside.items() if key not in unique]
    return [*backbones, *sorted(heads, key=lambda head: head[0])]


def _part(name: str, layer: tf.keras.layers.Layer) -> Part:
    return Part(name, parameters=_count(layer.weights), trainable=_count(layer.trainable_weights))


def _state_part(state: State) -> Part:
    return Part(
        state.name,
        parameters=_count(state.variables),
        state=sum(each.shape.num_elements() * each.dtype.size for each in state.variables),
    )


def _other(objective: Objective, parts: Sequence[Part]) -> Part:
    """Returns the part that has the operations and weights of no other."""
    return Part(
        OTHER,
        parameters=_count(objective.weights) - sum(part.parameters for part in parts),
        trainable=_count(objective.trainable_weights) - sum(part.trainable for part in parts),
    )


def _count(weights: Sequence[tf.Variable]) -> int:
    return sum(weight.shape.num_elements() for weight in weights)


def _recorder(parts: Mapping[int, Part], calls: list[_Call]) -> compat.Around:
    """Notes in `calls` which operations each layer, by its id, adds to a graph when it is called."""

    def record(
        layer: tf.keras.layers.Layer, args: tuple, kwargs: dict, call: Callable[[], Any]
    ) -> Any:
        part, graph = parts[id(layer)], tf.compat.v1.get_default_graph()
        begin = len(graph.get_operations())
        outputs = call()
        calls.append(_Call(part, graph, begin, len(graph.get_operations())))
        part.calls += 1
        part.takes = part.takes or _shape((args, kwargs))
        part.gives = part.gives or _shape(outputs)
        return outputs

    return record


def _shape(values: object) -> tuple[int | None, ...] | None:
    """Returns the shape of the first tensor in a structure, without the batch."""
    tensors = [value for value in tf.nest.flatten(values) if tf.is_tensor(value)]
    return tuple(tensors[0].shape[1:]) if tensors else None


def _owners(calls: Sequence[_Call], graph: tf.Graph, count: int, other: Part) -> list[Part]:
    """Returns the part of each of the first `count` operations of a graph."""
    owners = [other] * count
    # Calls are noted when they end: what is called inside another comes first, and keeps its operations.
    for call in reversed(calls):
        if call.graph is graph:
            owners[call.begin : min(call.end, count)] = [call.part] * (
                min(call.end, count) - call.begin
            )
    return owners


def _charge(part: Part, op: tf.Operation, batch_size: int) -> None:
    if part.multiply_adds is None:
        return
    try:
        part.multiply_adds += operation_cost(op) / batch_size
    except UnknownCostError:
        part.multiply_adds = None
