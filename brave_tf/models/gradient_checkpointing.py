"""Gradient checkpointing: less memory in training, for a second forward pass of some stages.

Chen et al., "Training Deep Nets with Sublinear Memory Cost" (2016): of a stage, only the input is kept
until the backward pass, which computes the activations inside it again.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence

import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models import norm

layers = tf.keras.layers
register = tf.keras.utils.register_keras_serializable(package="brave_tf")

_HEAD = -1  # stands for what follows the last stage, where numbers of stages stand

Tensors = Mapping[int, tf.Tensor]  # by the identity of the symbolic tensor that they are values of


def backbone(
    inputs: tf.Tensor, outputs: tf.Tensor, name: str, checkpoint_stages: bool | Sequence[int]
) -> tf.keras.Model:
    """The model from symbolic `inputs` to `outputs`, some stages of which keep no activations.

    Which stages do changes neither the layers nor their names, weights or results, so that
    checkpoints fit either way. Batch statistics are counted once. A stage is what lies between the
    layer `stage_<n>` and `stage_<n - 1>`, or `stem` for the first. It must not draw random numbers.

    Args:
      inputs: the model's only input.
      outputs: its output.
      name: name of the model.
      checkpoint_stages: numbers of the stages, counted from 1; True for all, False for none.

    Raises:
      UserError: a stage that the model does not have, or dropout or stochastic depth in it.
    """
    if not checkpoint_stages:
        return Backbone(inputs, outputs, name=name)
    return CheckpointedModel(inputs, outputs, name=name).checkpoint(checkpoint_stages)


@register
class Backbone(tf.keras.Model):
    """A functional model of the package's layers.

    Keras imports the module of a saved model's class by itself, and with it the package, which knows the
    layers; for a class of its own it would import nothing.
    """


@register
class CheckpointedModel(tf.keras.Model):
    """A functional model that computes some of its stages again in the backward pass."""

    _segments: Mapping[int, tuple[_Segment, bool]] = {}

    def checkpoint(self, stages: bool | Sequence[int]) -> CheckpointedModel:
        """Chooses the stages, once, see `backbone`; returns the model."""
        if not stages:
            return self
        stages = self._checked(stages)
        segments, part = {}, []
        for layer in self.layers:  # in topological order
            if isinstance(layer, layers.InputLayer):
                continue
            part.append(layer)
            if _stage(layer) is not None:
                segments[_stage(layer)] = _Segment(part), _stage(layer) in stages
                part = []
        segments[_HEAD] = _Segment(part), False
        # Read-only, so that Keras does not take the segments for further layers of the model.
        self._segments = types.MappingProxyType(segments)
        return self

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        if not (self._segments and training):
            return super().call(inputs, training=training, mask=mask)
        values = {id(self.input): inputs}
        for segment, checkpointed in self._segments.values():
            values.update(segment.recomputed(values) if checkpointed else segment.plain(values))
        return values[id(self.output)]

    def _checked(self, stages: bool | Sequence[int]) -> list[int]:
        known = [_stage(layer) for layer in self.layers if _stage(layer)]
        chosen = known if stages is True else stages
        if not (known and isinstance(chosen, (list, tuple)) and set(chosen) <= set(known)):
            raise UserError(
                f"checkpoint_stages = {stages!r} of {self.name}: expected True, False or a list of some of "
                f"its stages {known}."
            )
        # `rate` is what Keras and KerasCV call it.
        dropping = [layer.name for layer in self.submodules if getattr(layer, "rate", 0) > 0]
        if dropping:
            raise UserError(
                f"checkpoint_stages of {self.name}: {', '.join(dropping[:3])} would not drop the same values "
                "when computed again; set the rates of dropout and of stochastic depth to 0."
            )
        return list(chosen)

    def get_config(self) -> dict:
        stages = [stage for stage, (_, again) in self._segments.items() if again]
        return {**super().get_config(), "checkpoint_stages": stages}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> CheckpointedModel:
        config = dict(config)
        stages = config.pop("checkpoint_stages")
        return super().from_config(config, custom_objects).checkpoint(stages)


def _stage(layer: layers.Layer) -> int | None:
    """The number of the stage that ends in `layer`, 0 for the stem; None if none does."""
    match = re.fullmatch(r"stem|stage_(\d+)", layer.name)
    return int(match[1] or 0) if match else None


class _Segment(layers.Layer):
    """Successive layers of a functional model, from one or more earlier tensors to one.

    A layer of its own, so that the layers inside are told of training in the backward pass too.
    """

    def __init__(self, parts: Sequence[layers.Layer]):
        super().__init__(autocast=False)
        self.parts = parts
        made = {id(part.get_output_at(0)) for part in parts}
        used = [id(x) for part in parts for x in tf.nest.flatten(part.get_input_at(0))]
        self.needs = [key for key in dict.fromkeys(used) if key not in made]
        # What `norm.averages_kept` does not keep.
        self.statistics = [
            variable
            for layer in self.submodules
            if isinstance(layer, layers.BatchNormalization)
            and not isinstance(layer, norm.BatchNorm)
            for variable in (layer.moving_mean, layer.moving_variance)
        ]

    def call(self, inputs: Sequence[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        values = dict(zip(self.needs, inputs))
        for part in self.parts:
            arguments = tf.nest.map_structure(lambda x: values[id(x)], part.get_input_at(0))
            values[id(part.get_output_at(0))] = part(arguments)
        return values[id(self.parts[-1].get_output_at(0))]

    def plain(self, values: Tensors) -> Tensors:
        """Computes the segment's output from what was computed before."""
        output = self([values[key] for key in self.needs], training=True)
        return {id(self.parts[-1].get_output_at(0)): output}

    def recomputed(self, values: Tensors) -> Tensors:
        """Does what `plain` does, keeping only the inputs for the backward pass."""
        again = False

        def run(*inputs: tf.Tensor) -> tf.Tensor:
            nonlocal again
            if not again:
                again = True
                return self(list(inputs), training=True)
            # The second pass must not count its batch in the averages again.
            values = [variable.read_value() for variable in self.statistics]
            with norm.averages_kept():
                output = self(list(inputs), training=True)
            for variable, value in zip(self.statistics, values):
                variable.assign(value)
            return output

        output = tf.recompute_grad(run)(*(values[key] for key in self.needs))
        return {id(self.parts[-1].get_output_at(0)): output}
