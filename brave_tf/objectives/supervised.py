"""Training with labels: for a baseline to judge a self-supervised representation by, and to fine-tune one."""

from __future__ import annotations

from collections.abc import Mapping

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives import base


@gin.configurable
class Supervised(base.Objective):
    """A linear classifier on each view's backbone, trained with softmax cross-entropy.

    Logs the term `<view>_classification` and the monitor `accuracy/<view>` (top-1, in [0, 1]) of each view.

    Args:
      backbones: view name -> backbone.
      num_classes: number of classes; labels are in [0, num_classes). Clips without a label are ignored.
      loss_scale: constant factor on the loss.
      dropout: share of the features that the classifier does not see in a training step.
      label_smoothing: share of the target that is spread over all classes (Szegedy et al., CVPR 2016,
        section 7).

    Raises:
      UserError: `num_classes` below 2, or a share that is not in [0, 1).
    """

    def __init__(
        self,
        backbones: Mapping[str, tf.keras.Model],
        num_classes: int = gin.REQUIRED,
        loss_scale: float = 1.0,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
    ):
        super().__init__(backbones, loss_scale)
        if num_classes < 2:
            raise errors.UserError(f"Supervised.num_classes = {num_classes}: expected at least 2.")
        for name, share in (("dropout", dropout), ("label_smoothing", label_smoothing)):
            if not 0 <= share < 1:
                raise errors.UserError(
                    f"Supervised.{name} = {share!r}: expected 0 or more, below 1."
                )
        self.label_smoothing = label_smoothing
        self.classifiers, self.dropouts = {}, {}
        for view in self.backbones:
            name = f"{view}_classifier"
            self.classifiers[view] = tf.keras.layers.Dense(num_classes, name=name, dtype="float32")
            self.dropouts[view] = tf.keras.layers.Dropout(dropout, dtype="float32")
            with tf.name_scope(name):
                for layer in (self.classifiers[view], self.dropouts[view]):
                    layer.build((None, self.feature_size(view)))

    @property
    def term_names(self) -> list[str]:
        return [f"{view}_classification" for view in self.backbones]

    @property
    def monitor_names(self) -> list[str]:
        return [f"accuracy/{view}" for view in self.backbones]

    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> base.Terms:
        """Computes each view's cross-entropy and accuracy; the labelled clips count."""
        features = self(batch, training=training)
        labels = batch["label"]
        losses, accuracies = {}, {}
        for view, feature in features.items():
            logits = self.classifiers[view](self.dropouts[view](feature, training=training))
            losses[f"{view}_classification"] = self._cross_entropy(labels, logits)
            accuracies[f"accuracy/{view}"] = _top1(labels, logits)
        return base.Terms(losses, features, accuracies, counts=tf.cast(labels >= 0, tf.float32))

    def classify(self, view: str, x: tf.Tensor) -> tf.Tensor:
        """Returns the (B, num_classes) float32 logits of a batch of one view, in inference mode."""
        return self.classifiers[view](self.embed(view, x))

    def _cross_entropy(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """(B,) of (B,) labels, of which those below 0 count for 0, and (B, num_classes) logits."""
        labels = tf.maximum(labels, 0)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if not self.label_smoothing:
            return loss
        spread = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
        return (1 - self.label_smoothing) * loss + self.label_smoothing * spread


def _top1(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """(B,) chance that the right class is the one of highest logit; classes of equal logits share it."""
    highest = logits == tf.reduce_max(logits, axis=-1, keepdims=True)
    shares = tf.cast(highest, tf.float32) / tf.reduce_sum(
        tf.cast(highest, tf.float32), axis=-1, keepdims=True
    )
    return tf.gather(shares, tf.maximum(labels, 0), axis=-1, batch_dims=1)
