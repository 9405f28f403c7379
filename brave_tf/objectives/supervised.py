"""Training with labels: the baseline that a self-supervised representation is judged against."""

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

    Raises:
      UserError: `num_classes` below 2.
    """

    def __init__(
        self,
        backbones: Mapping[str, tf.keras.Model],
        num_classes: int = gin.REQUIRED,
        loss_scale: float = 1.0,
    ):
        super().__init__(backbones, loss_scale)
        if num_classes < 2:
            raise errors.UserError(f"Supervised.num_classes = {num_classes}: expected at least 2.")
        self.classifiers = {}
        for view in self.backbones:
            classifier = tf.keras.layers.Dense(
                num_classes, name=f"{view}_classifier", dtype="float32"
            )
            classifier.build((None, self.feature_size(view)))
            self.classifiers[view] = classifier

    @property
    def term_names(self) -> list[str]:
        return [f"{view}_classification" for view in self.backbones]

    @property
    def monitor_names(self) -> list[str]:
        return [f"accuracy/{view}" for view in self.backbones]

    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> base.Terms:
        """Computes each view's cross-entropy and accuracy over the labelled clips of the batch."""
        features = self(batch, training=training)
        labels = batch["label"]
        labelled = tf.cast(labels >= 0, tf.float32)
        # Rescaled so that the mean over all clips is the mean over the labelled ones.
        weight = labelled / tf.maximum(tf.reduce_mean(labelled), 1e-6)
        losses, accuracies = {}, {}
        for view, feature in features.items():
            logits = self.classifiers[view](feature)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(labels, 0), logits)
            correct = tf.cast(tf.argmax(logits, axis=-1) == labels, tf.float32)
            losses[f"{view}_classification"] = weight * loss
            accuracies[f"accuracy/{view}"] = weight * correct
        return base.Terms(losses, features, accuracies)
