"""rho-BYOL: A Large-Scale Study on Unsupervised Spatiotemporal Representation Learning (Feichtenhofer et al.,
CVPR 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.models import heads as heads_lib
from brave_tf.models.precision import in_full
from brave_tf.objectives import base, similarity
from brave_tf.objectives.momentum_copy import MomentumCopy
from brave_tf.objectives.momentum_schedules import Momentum

Builder = Callable[..., tf.keras.Model]


@gin.configurable
class RhoBYOL(base.Objective):
    """Each of rho clips of a video predicts the projections of the others by a momentum copy of the network.

    With p_i = predictor(projector(backbone(clip i))) and z_j the projection of clip j by the target network,
    both of length 1, a video has the terms `<i>_to_<j>`: -p_i z_j / T for all j != i. Gradients are those of
    sum_i mean_{j != i}, while the loss that is logged is that divided by 2 rho (the released code).

    Clips pass the networks one after the other, so that batch normalisation sees one of each video at a
    time. The target network is averaged before the step, with the momentum of the step before, as in the
    released code.

    The monitors `similarity/positive` and `similarity/negative` are the mean over pairs of p_i z_j, and of
    p_i with z_j of the other clips on the same device, which no term compares.

    Args:
      backbones: rho views with one backbone, such as `{'narrow': @r3d(), 'second': 'narrow'}`.
      projector: builds the projector, `projector(input_size, name=...)`.
      predictor: builds the predictor, `predictor(input_size, name=...)`.
      momentum: of the target network, a number or a schedule of the step, such as `@cosine_momentum()`.
      temperature: T.
      together: the target network sees the clips of all views as one batch, has the momentum of the step
        itself, and the sum of the losses is logged (what the released code does if it is not sequential).
      loss_scale: constant factor on the loss.

    Raises:
      UserError: fewer than two views, views that do not share a backbone, or a temperature that is not
        positive.
    """

    monitor_names = similarity.NAMES

    def __init__(
        self,
        backbones: base.Backbones,
        projector: Builder = heads_lib.projector,
        predictor: Builder = heads_lib.predictor,
        momentum: Momentum = 0.996,
        temperature: float = 0.5,
        together: bool = False,
        loss_scale: float = 1.0,
    ):
        super().__init__(backbones, loss_scale)
        views = list(self.backbones)
        if len(views) < 2 or len({id(model) for model in self.backbones.values()}) > 1:
            raise errors.UserError(
                f"RhoBYOL.backbones has {views}: expected two views or more that share one backbone, such "
                f"as {{'{base.NARROW}': @r3d(), 'second': '{base.NARROW}'}}."
            )
        if temperature <= 0:
            raise errors.UserError(
                f"RhoBYOL.temperature = {temperature}: expected a positive number."
            )
        self.temperature, self.together = temperature, together
        self.order = self.views_in_order()
        self.projector = projector(self.feature_size(views[0]), name="projector")
        self.predictor = predictor(self.projector.output_shape[-1], name="predictor")
        self.target = MomentumCopy(
            self.backbones,
            # As in the released code, whose copy is of the whole network.
            {"projector": self.projector, "predictor": self.predictor},
            momentum,
            lag=0 if together else 1,
        )

    @property
    def term_names(self) -> list[str]:
        return [f"{i}_to_{j}" for i in self.order for j in self.order if i != j]

    @property
    def term_weights(self) -> dict[str, float]:
        """The share of each pair in the loss that is logged."""
        rho = len(self.order)
        share = 1.0 if self.together else 1 / (2 * rho)
        return dict.fromkeys(self.term_names, share / (rho - 1))

    def networks(self) -> dict[str, Mapping[str, tf.keras.Model]]:
        return {**super().networks(), base.TARGET: self.target.backbones}

    def begin_step(self, step: tf.Tensor) -> None:
        """Averages the target network."""
        self.target.begin()
        self.target.update(step)

    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> base.Terms:
        """Computes the loss of each pair of clips; see the class."""
        features = self(batch, training=training)
        z, p, losses = {}, {}, {}
        for view in self.order:
            z[view] = self.projector(features[view], training=training)
            p[view] = tf.math.l2_normalize(self.predictor(z[view], training=training), axis=-1)
        targets = self._targets(batch, training)
        cosines = []
        for i in self.order:
            for j in self.order:
                if i != j:
                    cosine = tf.reduce_sum(p[i] * targets[j], axis=-1)
                    losses[f"{i}_to_{j}"] = -cosine / self.temperature
                    cosines.append(tf.matmul(p[i], targets[j], transpose_b=True))
        followed = tf.add_n(list(losses.values())) / (len(self.order) - 1)
        own = tf.range(tf.shape(followed)[0])
        monitors = similarity.similarities(tf.add_n(cosines) / len(cosines), own)
        return base.Terms(losses, features, monitors, projections=z, followed=followed)

    def _targets(self, batch: Mapping[str, tf.Tensor], training: bool) -> dict[str, tf.Tensor]:
        """Returns view -> (B, D) projections by the target network, of length 1."""
        count = len(self.order)
        if self.together:
            clips = tf.concat([batch[view] for view in self.order], axis=0)
            projections = tf.split(self._project(clips, training), count)
        else:
            projections = [self._project(batch[view], training) for view in self.order]
        return dict(zip(self.order, projections))

    def _project(self, clips: tf.Tensor, training: bool) -> tf.Tensor:
        backbone = self.target.backbones[self.order[0]]
        features = in_full(backbone(clips, training=training))
        z = self.target.heads["projector"](features, training=training)
        # As in the released code, it is called for its statistics alone.
        self.target.heads["predictor"](z, training=training)
        return tf.math.l2_normalize(tf.stop_gradient(z), axis=-1)
