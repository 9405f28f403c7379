"""Copies of networks that follow them slowly: the target networks of BYOL, the key encoders of MoCo."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives.momentum_schedules import Momentum, momentum_at
from brave_tf.objectives.state import State, state_variable


class MomentumCopy(State):
    """The target network: copies of backbones and heads whose weights are averages of theirs over steps.

    Trainable weights alone are averaged, target <- m target + (1 - m) online. Batch normalisations of the
    copies, called with `training=True`, normalise by their own batch and keep statistics of their own. No
    gradient trains the copies; what they compute needs `tf.stop_gradient` where inputs carry gradients.

    An objective calls `begin` in its `begin_step`, and `update` there too, or in its `end_step` for an
    average that is taken after the optimizer's step.

    Args:
      backbones: view name -> model. Views that share one share its copy.
      heads: name -> model.
      momentum: m, a number or a schedule of the step, such as `@cosine_momentum()`.
      lag: how many steps the schedule of m lags behind; the first steps use its first value.
      name: of the copy.

    Attributes:
      backbones: view name -> copy.
      heads: name -> copy.

    Raises:
      UserError: a momentum that is a number is not in [0, 1].
    """

    def __init__(
        self,
        backbones: Mapping[str, tf.keras.Model],
        heads: Mapping[str, tf.keras.Model] | None = None,
        momentum: Momentum = 0.996,
        lag: int = 0,
        name: str = "target",
    ):
        super().__init__(name)
        if not callable(momentum) and not 0 <= momentum <= 1:
            raise errors.UserError(f"{name}: momentum {momentum}: expected a number in [0, 1].")
        # Copies by the id of their model, so that models that are shared have one copy.
        copies: dict[int, tf.keras.Model] = {}
        heads = heads or {}
        for model in [*backbones.values(), *heads.values()]:
            if id(model) not in copies:
                copies[id(model)] = _copy(model)
        self.backbones = {view: copies[id(model)] for view, model in backbones.items()}
        self.heads = {each: copies[id(model)] for each, model in heads.items()}
        models = {id(model): model for model in [*backbones.values(), *heads.values()]}
        # A function, so that the networks are not tracked as parts of their copy.
        self._pairs = functools.partial(_pairs, models, copies)
        self._momentum, self._lag = momentum, lag
        self.begun = state_variable(tf.constant(False), f"{name}/begun")

    def momentum(self, step: tf.Tensor | int) -> tf.Tensor:
        """Returns m, () float64, of the step that is taken after `step` steps."""
        return momentum_at(self._momentum, tf.maximum(tf.cast(step, tf.int64) - self._lag, 0))

    def begin(self) -> None:
        """Sets the copies to their networks before the first step, whatever those have been set to."""

        def copied() -> bool:
            for online, target in self._pairs(averaged=False):
                target.assign(tf.cast(online, target.dtype))
            return True

        self.begun.assign(tf.cond(tf.identity(self.begun), lambda: True, copied))

    def update(self, step: tf.Tensor) -> None:
        """Takes the average of a step.

        Args:
          step: () int64, optimizer steps taken before the one under way.
        """
        change = 1 - self.momentum(step)
        for online, target in self._pairs(averaged=True):
            online = tf.cast(online, target.dtype)
            # Equal weights stay equal in every bit.
            target.assign(target + tf.cast(change, target.dtype) * (online - target))

    def distance(self) -> float:
        """Returns how far the copies are from their networks now, as a share of the networks' length.

        The L2 norm of the difference of all weights that are averaged, over that of the networks' own.
        """
        online, apart = 0.0, 0.0
        for weight, target in self._pairs(averaged=True):
            value = weight.numpy().astype(np.float64)
            online += np.sum(np.square(value))
            apart += np.sum(np.square(value - target.numpy()))
        return float(np.sqrt(apart / max(online, 1e-24)))


def _copy(model: tf.keras.Model) -> tf.keras.Model:
    """Returns a model of the same layers and weights, whose variables no gradient trains."""
    # Layers stay trainable: batch normalisation takes others for being in inference mode.
    with tf.variable_creator_scope(_untrained):
        copy = tf.keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _untrained(create: Callable[..., tf.Variable], **kwargs: Any) -> tf.Variable:
    """Makes a variable as those of `State` are, in place of one that is trained."""
    return create(
        **{
            **kwargs,
            "trainable": False,
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
        }
    )


def _pairs(
    models: Mapping[int, tf.keras.Model], copies: Mapping[int, tf.keras.Model], averaged: bool
) -> list[tuple[tf.Variable, tf.Variable]]:
    """Returns the weights of networks, those that are averaged or all, each with that of its copy."""
    pairs = []
    for key, model in models.items():
        trained = {id(weight) for weight in model.trainable_weights}
        for online, target in zip(model.weights, copies[key].weights):
            if not averaged or id(online) in trained:
                pairs.append((online, target))
    return pairs
