"""CVRL: Spatiotemporal Contrastive Video Representation Learning (Qian et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.models import heads as heads_lib
from brave_tf.objectives import base, similarity
from brave_tf.objectives.replicas import clip_positions, gather_over_replicas
from brave_tf.objectives.weight_penalty import weight_penalty

Builder = Callable[..., tf.keras.Model]

_TERMS = ("first_to_second", "second_to_first")
_WEIGHT_DECAY = "weight_decay"
# Variables that are called so, not what is below a layer of that name.
_KERNELS = r"kernel[^/]*$"


@gin.configurable
class CVRL(base.Objective):
    """Two views of a clip find each other among all views of all clips of a step (InfoNCE).

    With a, b the projections of the two views, of length 1, clip i of the N over all devices has the terms

        `first_to_second`: -log exp(a_i b_i / T) / (sum_j exp(a_i b_j / T) + sum_{j != i} exp(a_i a_j / T))

    and `second_to_first`, where a and b are exchanged; the loss is their sum (paper, section 3.1). Gradients
    flow into the projections of other devices too. The monitors `accuracy/contrast`, whether b_i is the
    nearest to a_i of all b, and `entropy/contrast`, in nats, are of softmax(a_i b_j / T) over j;
    `similarity/positive` is a_i b_i, `similarity/negative` the mean of a_i b_j over all other clips j.

    The released code does not divide the loss by the number R of its replicas, as with `loss_scale` R here.

    Args:
      backbones: two views, such as `{'narrow': @r3d(), 'second': 'narrow'}`, or of RGB and of flow; the
        first one in the order of names is a, except that `narrow` is before any other.
      projector: builds a projector, `projector(input_size, name=...)`. Views that share a backbone share it.
      temperature: T.
      weight_decay: factor on half the sum of the squares of all variables that are called `kernel`, a term of
        its own, as the released code has it; 0 where the optimizer decays weights.
      loss_scale: constant factor on the loss.

    Raises:
      UserError: not two views, or a temperature that is not positive.
    """

    # Clips of other parts of a step would be no candidates.
    accumulates = False

    monitor_names = ("accuracy/contrast", "entropy/contrast", *similarity.NAMES)

    def __init__(
        self,
        backbones: base.Backbones,
        projector: Builder = heads_lib.projector,
        temperature: float = 0.1,
        weight_decay: float = 0.0,
        loss_scale: float = 1.0,
    ):
        super().__init__(backbones, loss_scale)
        if len(self.backbones) != 2:
            raise errors.UserError(
                f"CVRL.backbones has {list(self.backbones)}: expected two views, such as "
                f"{{'{base.NARROW}': @r3d(), 'second': '{base.NARROW}'}}."
            )
        if temperature <= 0:
            raise errors.UserError(f"CVRL.temperature = {temperature}: expected a positive number.")
        self.temperature, self.weight_decay = temperature, weight_decay
        self.order = self.views_in_order()
        of_backbone: dict[int, tf.keras.Model] = {}
        for view in self.order:
            key = id(self.backbones[view])
            if key not in of_backbone:
                of_backbone[key] = projector(self.feature_size(view), name=f"{view}_projector")
        self.projectors = {v: of_backbone[id(self.backbones[v])] for v in self.order}
        sizes = {view: model.output_shape[-1] for view, model in self.projectors.items()}
        if len(set(sizes.values())) > 1:
            raise errors.UserError(
                f"CVRL.projector: the views' projections have sizes {sizes}: expected equal ones."
            )

    @property
    def term_names(self) -> list[str]:
        return [*_TERMS, *([_WEIGHT_DECAY] if self.weight_decay else [])]

    @property
    def term_weights(self) -> dict[str, float]:
        """1 for each: the loss is the sum of the terms."""
        return dict.fromkeys(self.term_names, 1.0)

    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> base.Terms:
        """Computes both directions' losses, and the decay of weights; see the class."""
        features = self(batch, training=training)
        z = {view: self.projectors[view](features[view], training=training) for view in self.order}
        a, b = (tf.math.l2_normalize(z[view], axis=-1) for view in self.order)
        all_a, all_b = (gather_over_replicas(x, gradients=True) for x in (a, b))
        first, to_other = self._contrast(a, all_b, all_a)
        second, _ = self._contrast(b, all_a, all_b)
        losses = dict(zip(_TERMS, (first, second)))
        if self.weight_decay:
            penalty = weight_penalty(self.trainable_variables, self.weight_decay, _KERNELS)
            losses[_WEIGHT_DECAY] = penalty * tf.ones_like(first)
        own = clip_positions(tf.shape(a)[0])
        chances, logs = tf.nn.softmax(to_other), tf.nn.log_softmax(to_other)
        found = tf.argmax(to_other, axis=-1, output_type=tf.int32) == own
        monitors = {
            "accuracy/contrast": tf.cast(found, tf.float32),
            "entropy/contrast": -tf.reduce_sum(chances * logs, axis=-1),
            **similarity.similarities(to_other * self.temperature, own),
        }
        return base.Terms(losses, features, monitors, projections=z)

    def _contrast(
        self, queries: tf.Tensor, others: tf.Tensor, same: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (B,) losses of (B, D) queries, and their (B, N) logits to the other view.

        Args:
          queries: one view of this replica's clips.
          others: (N, D) the other view of all clips.
          same: (N, D) the view of the queries, of all clips.
        """
        own = clip_positions(tf.shape(queries)[0])
        to_other = tf.matmul(queries, others, transpose_b=True) / self.temperature
        to_same = tf.matmul(queries, same, transpose_b=True) / self.temperature
        itself = own[:, tf.newaxis] == tf.range(tf.shape(same)[0])[tf.newaxis]
        to_same = tf.where(itself, to_same.dtype.min, to_same)
        logits = tf.concat([to_other, to_same], axis=-1)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(own, logits)
        return loss, to_other
