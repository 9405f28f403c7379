"""What every objective shares: the training step, the evaluation step and the monitors."""

from __future__ import annotations

import abc
import contextlib
import functools
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Callable, Union

import tensorflow as tf

from brave_tf import errors
from brave_tf.models.precision import in_full
from brave_tf.objectives.accumulation import GradientSums
from brave_tf.objectives.means import Mean, known_means, weighted
from brave_tf.objectives.replicas import sum_over_replicas
from brave_tf.objectives.terms import Seen, Terms

# The name of the view whose backbone is the one most used: a short window of colour frames.
NARROW = "narrow"

# The norm of all gradients together, in the logs; those of steps that loss scaling leaves out do not count.
GRADIENT_NORM = "optimizer/gradient_norm"

# Clips of a batch that are kept to be looked at.
_SHOWN = 2

# View name -> its backbone, or the name of another view whose backbone it shares.
Backbones = Mapping[str, Union[tf.keras.Model, str]]


class Objective(tf.keras.Model, abc.ABC):
    """A Keras model that trains one backbone per view.

    The base class has everything that does not depend on what is learned: the training and evaluation steps,
    distribution, precision, the logs of each term, and what the monitors of a run look at. A subclass lives
    in one file, is `@gin.configurable`, and provides:

    * `__init__`: calls `super().__init__(backbones, loss_scale)` first, then builds its further weights
      (heads, banks, momentum copies) from the backbones' feature sizes. Every variable must exist when it
      returns, so that optimizers and checkpoints see all of them before the first step. What no gradient
      trains is made with `trainable=False`.
    * `term_names`: the names of its loss terms, the keys of `Terms.losses`.
    * `terms(batch, training)`: the views of a batch -> `Terms`. The loss is `loss_scale` times the mean of
      the loss terms over terms and over the clips of the global batch. Assignments to variables that are
      no matter of gradients (a bank's next entries) stand here too, and happen only if `training`.
    * `monitor_names`, if it logs more than its terms: the keys of `Terms.monitors`.
    * `clip_fields` and `unique_in_batch`, of the class, if batches are to tell clips apart: see
      `data.pipeline.clip_fields.ClipFields`. With `num_clips`, if rows are kept: the run makes sure of it.

    A recipe binds it, `Recipe.objective = @MyObjective`, after an `import` line with its module.

    A batch is a dict: view name -> tensor of the view's shape with a leading batch axis, and
    `label` -> (B,) int64, -1 where a clip has none.

    Args:
      backbones: view name -> model from (B, *view shape) to (B, D) features, or the name of another view,
        whose model both then train.
      loss_scale: constant factor on the loss.

    Attributes:
      seen: what the last training step showed; None before the first one.
      finish_batch: what turns the input pipeline's batch into the step's, on its device; None for nothing.
      next_batch: takes the next batch from the iterator of a training step.
      around_step: makes the context of a training step, with the waits for its batches.

    Raises:
      UserError: no backbones, or a name that is not that of a view with a model.
    """

    clip_fields: Sequence[str] = ()
    unique_in_batch = False

    def __init__(self, backbones: Backbones, loss_scale: float = 1.0):
        super().__init__(name=type(self).__name__.lower())
        if not backbones:
            raise errors.UserError(
                f"{type(self).__name__}.backbones is empty: bind view name -> backbone, such as "
                "{'narrow': @narrow/tsm_resnet()}."
            )
        self.backbones = {view: _backbone(backbones, view) for view in backbones}
        self.loss_scale = loss_scale
        self.seen: Seen | None = None
        self.finish_batch: Callable[[Mapping], dict] | None = None
        self.next_batch: Callable[[Iterator], object] = next
        self.around_step: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext

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

    def compile(
        self, optimizer: tf.keras.optimizers.Optimizer, accumulate_steps: int = 1, **kwargs
    ) -> None:
        """Sets the optimizer, builds its slots, and makes the monitors.

        Args:
          optimizer: takes the steps.
          accumulate_steps: batches that `fit` takes for one step, whose gradients are averaged. Layers see
            one batch at a time.
          **kwargs: those of `tf.keras.Model.compile`.
        """
        # Keras may wrap it, for loss scaling, into one that has no `build`.
        optimizer.build(self.trainable_variables)
        super().compile(optimizer=optimizer, **kwargs)
        self._accumulate_steps = accumulate_steps
        self._gradient_sums = (
            GradientSums(self.trainable_variables) if accumulate_steps > 1 else None
        )
        names = ["loss", *(f"loss/{name}" for name in self.term_names), *self.monitor_names]
        names.append(GRADIENT_NORM)
        # Read-only, so that Keras does not take the metrics for weights of the model.
        self._monitors = types.MappingProxyType({n: Mean(n) for n in names})

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        return list(self._monitors.values())

    def figures(self, logs: Mapping[str, tf.Tensor]) -> dict[str, float]:
        """Returns logs as numbers, without the means over nothing; all processes of a run do so together."""
        return known_means(logs, self._monitors)

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return int(self.optimizer.iterations.numpy())

    def make_train_function(self, force: bool = False) -> Callable[[Iterator], dict]:
        """Returns a function that takes a step on the next batches, returns the logs and sets `seen`."""
        if self.train_function is None or force:
            train = self._train_on
            if not self.run_eagerly:
                train = tf.function(train, reduce_retracing=True)

            def train_function(iterator: Iterator) -> dict[str, tf.Tensor]:
                waited = 0.0
                with self.around_step():
                    for part in range(1, self._accumulate_steps + 1):
                        asked = time.perf_counter()
                        batch = self.next_batch(iterator)
                        waited += time.perf_counter() - asked
                        logs, seen = train(batch, part == self._accumulate_steps)
                self.seen = Seen(**seen, waited=waited)
                return logs

            self.train_function = train_function
        return self.train_function

    def _train_on(self, batch: Mapping, last: bool) -> tuple[dict, dict]:
        strategy = self.distribute_strategy
        batch, _, _ = tf.keras.utils.unpack_x_y_sample_weight(batch)
        if self.finish_batch:
            batch = strategy.run(self.finish_batch, args=(batch,))
        step = functools.partial(self.train_step, last=last)
        if self.jit_compile:
            step = tf.function(step, jit_compile=True, reduce_retracing=True)
        logs, seen = strategy.run(step, args=(batch,))

        def first(value: object) -> tf.Tensor:
            return strategy.experimental_local_results(value)[0]

        clips = {view: first(batch[view])[:_SHOWN] for view in self.backbones}
        seen = {**tf.nest.map_structure(first, seen), "clips": clips}
        return tf.nest.map_structure(first, logs), seen

    def train_step(self, batch: Mapping[str, tf.Tensor], last: bool = True) -> tuple[dict, dict]:
        """Takes one optimizer step on the global batch's mean loss.

        Gradients that are not finite are taken for 0: weights stay numbers, and what led to them can be
        looked for afterwards.

        Args:
          batch: that of one replica.
          last: whether it is the last batch of the step; otherwise its gradients are kept for the last.

        Returns:
          The logs, name -> () float32, and features and projections as in `Seen`.
        """
        with tf.GradientTape() as tape:
            terms = self.terms(batch, training=True)
            losses = self._clip_losses(terms)
            # Gradients are summed, so each batch contributes its share of the mean over all.
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            shares = weighted(losses, terms.counts) / (replicas * self._accumulate_steps)
            objective = tf.reduce_mean(shares)
            objective = self._scaled(objective)
        gradients = self._unscaled(tape.gradient(objective, self.trainable_variables))
        gradients = [None if g is None else tf.convert_to_tensor(g) for g in gradients]
        logs = self._logs(losses, terms)
        if last:
            logs.update(self._count_norm(self._apply(gradients)))
        else:
            self._gradient_sums.add(gradients)
        return logs, {"features": terms.features, "projections": dict(terms.projections)}

    def _apply(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """Takes a step along the gradients of all batches and replicas; returns their norm."""
        if self._gradient_sums:
            gradients = self._gradient_sums.finish(gradients)
        used = [pair for pair in zip(gradients, self.trainable_variables) if pair[0] is not None]
        gradients, variables = sum_over_replicas([g for g, _ in used]), [v for _, v in used]
        norm = tf.linalg.global_norm(gradients)
        steps = zip(self._harmless(gradients, norm), variables)
        self.optimizer.apply_gradients(steps, experimental_aggregate_gradients=False)
        return norm

    def test_step(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the logs of a batch in inference mode; changes no weight."""
        batch, _, _ = tf.keras.utils.unpack_x_y_sample_weight(batch)
        terms = self.terms(batch, training=False)
        return self._logs(self._clip_losses(terms), terms)

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

    def _harmless(self, gradients: list[tf.Tensor], norm: tf.Tensor) -> list[tf.Tensor]:
        """Zeros in place of gradients that are not finite, except where loss scaling has to see them."""
        if isinstance(self.optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            return gradients

        def zeros() -> list[tf.Tensor]:
            return [tf.zeros_like(gradient) for gradient in gradients]

        # A choice of lists, since one by value is a copy of every gradient.
        return tf.cond(tf.math.is_finite(norm), lambda: gradients, zeros)

    def _count_norm(self, norm: tf.Tensor) -> dict[str, tf.Tensor]:
        metric, counts = self._monitors[GRADIENT_NORM], tf.math.is_finite(norm)
        if isinstance(self.optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            metric.update_state(tf.where(counts, norm, 0.0), tf.cast(counts, tf.float32))
        else:
            metric.update_state(norm)
        return {GRADIENT_NORM: metric.result()}

    def _logs(self, losses: tf.Tensor, terms: Terms) -> dict[str, tf.Tensor]:
        """Returns the means since the metrics were reset; NaN for a mean over no values."""
        values = {"loss": losses, **terms.monitors}
        values.update({f"loss/{name}": value for name, value in terms.losses.items()})
        for name, value in values.items():
            of_clips = terms.counts is not None and value.shape.rank == 1
            self._monitors[name].update_state(value, terms.counts if of_clips else None)
        return {name: self._monitors[name].result() for name in values}


def _backbone(backbones: Backbones, view: str) -> tf.keras.Model:
    backbone = backbones[view]
    if not isinstance(backbone, str):
        return backbone
    models = [name for name, model in backbones.items() if not isinstance(model, str)]
    if backbone not in models:
        raise errors.UserError(
            f"the backbone of view {view!r} is to be that of {backbone!r}: expected a view that has one of "
            f"its own, {', '.join(map(repr, models))}.{errors.did_you_mean(backbone, models)}"
        )
    return backbones[backbone]
