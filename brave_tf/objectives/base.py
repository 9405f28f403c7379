"""What every objective shares: the training step, the evaluation step and the monitors."""

from __future__ import annotations

import abc
import types
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Union

import tensorflow as tf

from brave_tf import errors
from brave_tf.models.precision import in_full

# The name of the view whose backbone is the one most used: a short window of colour frames.
NARROW = "narrow"

# View name -> its backbone, or the name of another view whose backbone it shares.
Backbones = Mapping[str, Union[tf.keras.Model, str]]


class Terms(NamedTuple):
    """What an objective computes from a batch.

    Attributes:
      losses: name -> (B,) float32, the loss terms of each clip.
      features: view -> (B, D) float32 backbone features, for the monitors.
      monitors: name -> scalar or (B,) float32, further figures to log, not optimised.
    """

    losses: dict[str, tf.Tensor]
    features: dict[str, tf.Tensor]
    monitors: dict[str, tf.Tensor]


class Objective(tf.keras.Model, abc.ABC):
    """A Keras model that trains one backbone per view.

    A subclass lives in one file, is `@gin.configurable`, and states three things:

    * `__init__`: builds its further weights (heads, banks) from the backbones' feature sizes and calls
      `super().__init__(backbones, loss_scale)` first; every variable must exist when it returns, so that
      optimizers and checkpoints see all of them before the first step.
    * `term_names` and `monitor_names`: what it logs.
    * `terms(batch, training)`: batch views -> `Terms`. The loss is `loss_scale` times the mean of
      the loss terms over terms and over the clips of the global batch.

    A batch is a dict: view name -> tensor of the view's shape with a leading batch axis, and
    `label` -> (B,) int64, -1 where a clip has none.

    Args:
      backbones: view name -> model from (B, *view shape) to (B, D) features, or the name of another view,
        whose model both then train.
      loss_scale: constant factor on the loss.

    Raises:
      UserError: no backbones, or a name that is not that of a view with a model.
    """

    def __init__(self, backbones: Backbones, loss_scale: float = 1.0):
        super().__init__(name=type(self).__name__.lower())
        if not backbones:
            raise errors.UserError(
                f"{type(self).__name__}.backbones is empty: bind view name -> backbone, such as "
                "{'narrow': @narrow/tsm_resnet()}."
            )
        self.backbones = {view: _backbone(backbones, view) for view in backbones}
        self.loss_scale = loss_scale

    @property
    @abc.abstractmethod
    def term_names(self) -> Sequence[str]:
        """Names of the loss terms."""

    @property
    def monitor_names(self) -> Sequence[str]:
        """Names of further figures that are logged."""
        return ()

    @abc.abstractmethod
    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> Terms:
        """Computes the loss terms of a batch."""

    def feature_size(self, view: str) -> int:
        """D of the (B, D) features of a view's backbone."""
        return self.backbones[view].output_shape[-1]

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        """Returns the (B, D) float32 backbone features of every view."""
        return {
            view: in_full(backbone(batch[view], training=training))
            for view, backbone in self.backbones.items()
        }

    def embed(self, view: str, x: tf.Tensor) -> tf.Tensor:
        """Returns the (B, D) float32 features of a batch of one view, in inference mode."""
        return in_full(self.backbones[view](x, training=False))

    def compile(self, optimizer: tf.keras.optimizers.Optimizer, **kwargs) -> None:
        """Sets the optimizer, builds its slots, and makes the monitors."""
        super().compile(optimizer=optimizer, **kwargs)
        self.optimizer.build(self.trainable_variables)
        names = ["loss", *(f"loss/{name}" for name in self.term_names), *self.monitor_names]
        names += [f"feature_std/{view}" for view in self.backbones]
        # Read-only, so that Keras does not take the metrics for weights of the model.
        self._monitors = types.MappingProxyType({n: tf.keras.metrics.Mean(n) for n in names})

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        return list(self._monitors.values())

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return int(self.optimizer.iterations.numpy())

    def train_step(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Takes one optimizer step on the global batch's mean loss; returns the monitors."""
        batch, _, _ = tf.keras.utils.unpack_x_y_sample_weight(batch)
        with tf.GradientTape() as tape:
            terms = self.terms(batch, training=True)
            losses = self._clip_losses(terms)
            # Replicas' gradients are summed, so each contributes its share of the global mean.
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            objective = tf.reduce_mean(losses) / replicas
            objective = self._scaled(objective)
        variables = self.trainable_variables
        gradients = self._unscaled(tape.gradient(objective, variables))
        self.optimizer.apply_gradients(zip(gradients, variables))
        return self._update_monitors(losses, terms)

    def test_step(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Computes the monitors on a batch in inference mode, changing no weight."""
        batch, _, _ = tf.keras.utils.unpack_x_y_sample_weight(batch)
        terms = self.terms(batch, training=False)
        return self._update_monitors(self._clip_losses(terms), terms)

    def _clip_losses(self, terms: Terms) -> tf.Tensor:
        """(B,) loss of each clip."""
        return self.loss_scale * tf.add_n(list(terms.losses.values())) / len(terms.losses)

    def _scaled(self, loss: tf.Tensor) -> tf.Tensor:
        if isinstance(self.optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            return self.optimizer.get_scaled_loss(loss)
        return loss

    def _unscaled(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        if isinstance(self.optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            return self.optimizer.get_unscaled_gradients(gradients)
        return gradients

    def _update_monitors(self, losses: tf.Tensor, terms: Terms) -> dict[str, tf.Tensor]:
        values = {"loss": losses, **terms.monitors}
        values.update({f"loss/{name}": value for name, value in terms.losses.items()})
        values.update({f"feature_std/{k}": feature_std(v) for k, v in terms.features.items()})
        for name, value in values.items():
            self._monitors[name].update_state(value)
        return {name: monitor.result() for name, monitor in self._monitors.items()}


def _backbone(backbones: Backbones, view: str) -> tf.keras.Model:
    backbone = backbones[view]
    if not isinstance(backbone, str):
        return backbone
    models = [name for name, model in backbones.items() if not isinstance(model, str)]
    if backbone not in models:
        raise errors.UserError(
            f"the backbone of view {view!r} is to be that of {backbone!r}: expected a view that has one of "
            f"its own, {', '.join(map(repr, models))}.{errors.nearest(backbone, models)}"
        )
    return backbones[backbone]


def feature_std(features: tf.Tensor) -> tf.Tensor:
    """How far features are from collapse: 0 when all clips look the same, towards 1 when they spread.

    The deviation over the batch of each dimension of the L2-normalised features, averaged over the
    dimensions, times sqrt(D) (the collapse measure of SimSiam, section 4.1, made independent of D).

    Args:
      features: (B, D) float.

    Returns:
      A float32 scalar in [0, 1].
    """
    features = tf.math.l2_normalize(tf.cast(features, tf.float32), axis=-1)
    size = tf.cast(tf.shape(features)[-1], tf.float32)
    return tf.reduce_mean(tf.math.reduce_std(features, axis=0)) * tf.sqrt(size)
