"""The Keras side of an objective: its training step, its evaluation step and its logs."""

from __future__ import annotations

import functools
import time
import types
from collections.abc import Iterator, Mapping
from typing import Callable

import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives import loss_scaling
from brave_tf.objectives.accumulation import GradientSums
from brave_tf.objectives.means import Mean, counted, known_means, weighted
from brave_tf.objectives.replicas import sum_over_replicas
from brave_tf.objectives.state import State, state_variable
from brave_tf.objectives.terms import Seen, Terms

# The norm of all gradients together, in the logs; those of steps that loss scaling leaves out do not count.
GRADIENT_NORM = "optimizer/gradient_norm"

# Clips of a batch that are kept to be looked at.
_SHOWN = 2


class Stepping(tf.keras.Model):
    """What trains and measures an objective, whose contract is `base.Objective`, its one subclass."""

    def compile(
        self, optimizer: tf.keras.optimizers.Optimizer, accumulate_steps: int = 1, **kwargs
    ) -> None:
        """Sets the optimizer, builds its slots, and makes the monitors.

        Args:
          optimizer: takes the steps.
          accumulate_steps: batches that `fit` takes for one step, whose gradients are averaged. Layers see
            one batch at a time.
          **kwargs: those of `tf.keras.Model.compile`.

        Raises:
          UserError: the objective does not accumulate, its weights are not those of its terms, or XLA cannot
            compile a step with its state.
        """
        self._check(accumulate_steps, kwargs.get("jit_compile"))
        # Keras may wrap it, for loss scaling, into one that has no `build`.
        optimizer.build(self.trainable_variables)
        super().compile(optimizer=optimizer, **kwargs)
        self._accumulate_steps = accumulate_steps
        self._gradient_sums = (
            GradientSums(self.trainable_variables) if accumulate_steps > 1 else None
        )
        self._begins, fills = (
            any(_overrides(each, hook) for each in self.nested(Stepping))
            for hook in ("begin_step", "filling")
        )
        self._filled = not fills
        if fills:
            self._filling_steps = state_variable(tf.zeros((), tf.int64), "filling_steps")
        names = ["loss", *(f"loss/{name}" for name in self.term_names), *self.monitor_names]
        names.append(GRADIENT_NORM)
        # Read-only, so that Keras does not take the metrics for weights of the model.
        self._monitors = types.MappingProxyType({n: Mean(n) for n in names})

    def _check(self, accumulate_steps: int, compiled: bool | None) -> None:
        for each in self.nested(Stepping):
            name, weights = type(each).__name__, each.term_weights
            if accumulate_steps > 1 and not each.accumulates:
                raise errors.UserError(
                    f"train.accumulate_steps = {accumulate_steps}: {name} compares the clips of a step with "
                    "each other, or keeps state that follows steps, so that parts of a step would learn "
                    "something else; bind 1, and fewer clips or more devices."
                )
            if weights is not None and set(weights) != set(each.term_names):
                raise errors.UserError(
                    f"{name}.term_weights has {sorted(weights)}: expected a weight for each of the terms "
                    f"{', '.join(each.term_names)}, and no other."
                )
            if each.occasions and not _overrides(each, "on_occasion"):
                raise errors.UserError(
                    f"{name} has occasions, but no on_occasion: define it, see `Objective.on_occasion`."
                )
            if hasattr(type(each), "occasions"):
                # Keras does not look at what a class has too, and checkpoints would not hold them.
                raise errors.UserError(
                    f"{name}.occasions is an attribute of the class: assign self.occasions in __init__."
                )
        for state in self.nested(State):
            if compiled and state.device:
                raise errors.UserError(
                    f"train.jit_compile = True: XLA cannot compile a step with {state.name} on device "
                    f"{state.device!r}; bind train.jit_compile = False, or no device."
                )

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

    @property
    def filling_steps(self) -> int:
        """Steps that only filled state; they took their batches, and are no part of `step`."""
        return int(self._filling_steps.numpy()) if hasattr(self, "_filling_steps") else 0

    def make_train_function(self, force: bool = False) -> Callable[[Iterator], dict]:
        """Returns a function that takes a step on the next batches, returns the logs and sets `seen`.

        Steps that only fill state come before it, in the same call.
        """
        if self.train_function is None or force:
            train = self._train_on
            if not self.run_eagerly:
                train = tf.function(train, reduce_retracing=True)

            def train_function(iterator: Iterator) -> dict[str, tf.Tensor]:
                waited, counts = 0.0, False
                with self.around_step():
                    while not counts:
                        counts = not self._fills()
                        for part in range(1, self._accumulate_steps + 1):
                            asked = time.perf_counter()
                            batch = self.next_batch(iterator)
                            waited += time.perf_counter() - asked
                            # Without a hook the first part is as the others, and one graph does for both.
                            first = part == 1 or not self._begins
                            last = part == self._accumulate_steps
                            logs, seen = train(batch, last, first, counts)
                        if not counts:
                            self._filling_steps.assign(self.filling_steps + 1)
                self.seen = Seen(**seen, waited=waited)
                return logs

            self.train_function = train_function
        return self.train_function

    def _fills(self) -> bool:
        if not self._filled:
            self._filled = not any(each.filling() for each in self.nested(Stepping))
        return not self._filled

    def _train_on(self, batch: Mapping, last: bool, first: bool, counts: bool) -> tuple[dict, dict]:
        strategy = self.distribute_strategy
        batch, _, _ = tf.keras.utils.unpack_x_y_sample_weight(batch)
        if self.finish_batch:
            batch = strategy.run(self.finish_batch, args=(batch,))
        step = functools.partial(self.train_step, last=last, first=first, counts=counts)
        if self.jit_compile:
            step = tf.function(step, jit_compile=True, reduce_retracing=True)
        logs, seen = strategy.run(step, args=(batch,))

        def of_first(value: object) -> tf.Tensor:
            return strategy.experimental_local_results(value)[0]

        clips = {view: of_first(batch[view])[:_SHOWN] for view in self.backbones}
        seen = {**tf.nest.map_structure(of_first, seen), "clips": clips}
        return tf.nest.map_structure(of_first, logs), seen

    def train_step(
        self,
        batch: Mapping[str, tf.Tensor],
        last: bool = True,
        first: bool = True,
        counts: bool = True,
    ) -> tuple[dict, dict]:
        """Takes one optimizer step on the global batch's mean loss.

        Gradients that are not finite are taken for 0: weights stay numbers, and what led to them can be
        looked for afterwards.

        Args:
          batch: that of one replica.
          last: whether it is the last batch of the step; otherwise its gradients are kept for the last.
          first: whether it is the first batch of the step.
          counts: False for a step that only fills state: no weight changes, and there are no logs.

        Returns:
          The logs, name -> () float32, and features and projections as in `Seen`.
        """
        step = tf.identity(self.optimizer.iterations)
        if first:
            for each in self.nested(Stepping):
                each.begin_step(step)
        with tf.GradientTape() as tape:
            terms = self.terms(batch, training=True)
            losses = self.clip_losses(terms)
            # Gradients are summed, so each batch contributes its share of the mean over all.
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            followed = weighted(self.followed_losses(terms), terms.counts)
            shares = followed / (replicas * self._accumulate_steps)
            objective = tf.reduce_mean(shares)
            objective = loss_scaling.scaled(self.optimizer, objective)
        logs = {}
        if counts:
            gradients = tape.gradient(objective, self.trainable_variables)
            gradients = loss_scaling.unscaled(self.optimizer, gradients)
            gradients = [None if g is None else tf.convert_to_tensor(g) for g in gradients]
            logs = self._logs(losses, terms)
        for write in terms.writes:
            write()
        if counts and last:
            logs.update(self._count_norm(self._apply(gradients)))
        elif counts:
            self._gradient_sums.add(gradients)
        if last:
            for each in self.nested(Stepping):
                each.end_step(step)
        return logs, {"features": terms.features, "projections": dict(terms.projections)}

    def _apply(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """Takes a step along the gradients of all batches and replicas; returns their norm."""
        if self._gradient_sums:
            gradients = self._gradient_sums.finish(gradients)
        used = [pair for pair in zip(gradients, self.trainable_variables) if pair[0] is not None]
        gradients, variables = sum_over_replicas([g for g, _ in used]), [v for _, v in used]
        norm = tf.linalg.global_norm(gradients)
        steps = zip(loss_scaling.harmless(self.optimizer, gradients, norm), variables)
        self.optimizer.apply_gradients(steps, experimental_aggregate_gradients=False)
        return norm

    def test_step(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the logs of a batch in inference mode; changes no weight and writes no state."""
        batch, _, _ = tf.keras.utils.unpack_x_y_sample_weight(batch)
        terms = self.terms(batch, training=False)
        return self._logs(self.clip_losses(terms), terms)

    def weigh(self, values: Mapping[str, tf.Tensor], scale: float = 1.0) -> tf.Tensor:
        """Returns (B,) `scale` times the terms, each (B,): their weighted sum, or else their mean."""
        weights = self.term_weights
        if weights is None:
            return scale * tf.add_n(list(values.values())) / len(values)
        return scale * tf.add_n([weights[name] * value for name, value in values.items()])

    def clip_losses(self, terms: Terms) -> tf.Tensor:
        """Returns the (B,) loss of each clip, which is logged."""
        return self.weigh(terms.losses, self.loss_scale)

    def followed_losses(self, terms: Terms) -> tf.Tensor:
        """Returns the (B,) loss of each clip that gradients are taken of."""
        if terms.followed is None:
            return self.clip_losses(terms)
        return self.loss_scale * terms.followed

    def _count_norm(self, norm: tf.Tensor) -> dict[str, tf.Tensor]:
        metric, counts = self._monitors[GRADIENT_NORM], tf.math.is_finite(norm)
        if loss_scaling.scales(self.optimizer):
            metric.update_state(tf.where(counts, norm, 0.0), tf.cast(counts, tf.float32))
        else:
            metric.update_state(norm)
        return {GRADIENT_NORM: metric.result()}

    def _logs(self, losses: tf.Tensor, terms: Terms) -> dict[str, tf.Tensor]:
        """Returns the means since the metrics were reset; NaN for a mean over no values."""
        values = {"loss": losses, **terms.monitors}
        values.update({f"loss/{name}": value for name, value in terms.losses.items()})
        for name, value in values.items():
            self._monitors[name].update_state(*counted(value, terms.counts))
        return {name: self._monitors[name].result() for name in values}


def _overrides(objective: Stepping, hook: str) -> bool:
    """Whether a class of an objective has a hook of its own."""
    *classes, _ = type(objective).__mro__[: type(objective).__mro__.index(Stepping)]
    return any(hook in vars(each) for each in classes)
