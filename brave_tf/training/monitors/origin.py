"""Where NaN or infinity comes from: a batch is run again, layer by layer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Callable

import tensorflow as tf

from brave_tf import compat
from brave_tf.objectives.base import Objective

Layer = tf.keras.layers.Layer
Batch = Mapping[str, tf.Tensor]


def find_origin(objective: Objective, batch: Batch) -> str | None:
    """Computes the loss terms of a batch, and then their gradients, without compiling.

    The objective is not fit for use afterwards: the averages of normalisations have moved.

    Args:
      objective: with the weights from before the step.
      batch: a global batch; it is divided over the replicas of the objective's strategy.

    Returns:
      What is not finite first, with its term, view and layer; None if everything is finite.
    """
    for view in objective.backbones:
        if not _finite(batch[view]):
            return f"the clips of view {view!r}, before any layer"
    findings: list[str | None] = []
    calls = _Calls(objective)

    def look() -> None:
        replica = tf.distribute.get_replica_context()
        index, count = int(replica.replica_id_in_sync_group), replica.num_replicas_in_sync
        part = {name: tf.split(value, count)[index] for name, value in batch.items()}
        findings.append(_look(objective, part, calls))

    strategy = objective.distribute_strategy
    with strategy.scope(), _uncompiled(), calls.watched():
        strategy.run(look)
    return next(filter(None, findings), None)


def _look(objective: Objective, batch: Batch, calls: _Calls) -> str | None:
    with tf.GradientTape(persistent=True) as tape:
        with calls.of(batch) as found:
            losses = objective.terms(batch, training=True).losses
        terms = [name for name, loss in losses.items() if not _finite(loss)]
        if terms or found:
            # Where all are bad, the first may be one that the layer's view has no part in.
            view = next((v for v in objective.backbones if found and f"view {v!r}" in found[0]), "")
            terms.sort(key=lambda name: view not in name)
            return ", ".join([*(f"term {name}" for name in terms[:1]), *found])
        sums = {name: tf.reduce_sum(loss) for name, loss in losses.items()}
    variables = objective.trainable_variables
    for name, total in sums.items():
        gradients = tape.gradient(total, variables)
        bad = [v.name for v, g in zip(variables, gradients) if g is not None and not _finite(g)]
        if bad:
            # Gradients come from the end.
            return f"term {name}, the gradient of {bad[-1]}"
    return None


class _Calls:
    """Finds the first layer that puts out what is not finite; one inside another ends first."""

    def __init__(self, objective: Objective):
        self._objective = objective
        # Replicas have a thread each.
        self._thread = threading.local()

    @contextlib.contextmanager
    def of(self, batch: Batch) -> Iterator[list[str]]:
        """Gives a list to which the layer is added that is found in the calls that this thread makes."""
        self._thread.path, self._thread.found, self._thread.batch = [], [], batch
        yield self._thread.found
        self._thread.path = None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Has all calls of layers come through here."""

        def around(layer: Layer, args: tuple, kwargs: dict, call: Callable[[], Any]) -> Any:
            path = getattr(self._thread, "path", None)
            if path is None or layer is self._objective:
                return call()
            path.append(self._name(layer, args))
            result = call()
            if not self._thread.found and not _finite(result):
                where = "/".join(path)
                self._thread.found.append(where if _finite(args) else f"what goes into {where}")
            path.pop()
            return result

        with compat.around_calls(around):
            yield

    def _name(self, layer: Layer, args: tuple) -> str:
        for view, backbone in self._objective.backbones.items():
            if layer is backbone and args and args[0] is self._thread.batch[view]:
                return f"view {view!r}, layer {layer.name}"
        return layer.name if self._thread.path else f"layer {layer.name}"


@contextlib.contextmanager
def _uncompiled() -> Iterator[None]:
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _finite(values: Any) -> bool:
    tensors = [each for each in tf.nest.flatten(values) if tf.is_tensor(each)]
    return all(
        bool(tf.reduce_all(tf.math.is_finite(each))) for each in tensors if each.dtype.is_floating
    )
