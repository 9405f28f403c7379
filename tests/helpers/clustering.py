"""A small objective with occasions, a queue and a bank: a recipe's `import clustering` registers it."""

from __future__ import annotations

import gin
import numpy as np
import tensorflow as tf

from brave_tf.models.norm import batch_norm
from brave_tf.objectives import base
from brave_tf.objectives.memory_bank import MemoryBank
from brave_tf.objectives.occasions import AtStart
from brave_tf.objectives.pseudo_labels import PseudoLabels
from brave_tf.objectives.queue import Queue

CLUSTERS, QUEUE = 3, 8


@gin.configurable
def pooled(mel_bins=16, width=16):
    """Two linear layers and batch normalisation over the mean of a spectrogram."""
    x = tf.keras.Input((None, mel_bins))
    y = tf.keras.layers.GlobalAveragePooling1D()(x)
    y = tf.keras.layers.LayerNormalization(center=False, scale=False)(y)
    y = batch_norm(epsilon=0.1)(tf.keras.layers.Dense(width)(y))
    return tf.keras.Model(x, tf.keras.layers.Dense(width)(y), name="pooled")


@gin.configurable
class Clustering(base.Objective):
    """Learns the clusters of its own features, and compares them with a queue and a bank.

    At each occasion the clusters, the rows of the bank and the classifier, drawn anew, are replaced.

    Args:
      backbones: one, `broad_audio`.
      num_clips: rows of the bank.
      occasions: beside the one at the start.
    """

    term_names = ("cluster", "queue", "bank")
    clip_fields = ("clip_id",)
    accumulates = False

    def __init__(self, backbones, num_clips=12, occasions=()):
        super().__init__(backbones)
        width = self.feature_size("broad_audio")
        self.num_clips = num_clips
        self.labels = PseudoLabels(num_clips)
        self.bank = MemoryBank(num_clips, width)
        self.queue = Queue(QUEUE, width)
        # The features of the first occasion, for tests.
        self.first = tf.Variable(tf.zeros((num_clips, width)), trainable=False, name="first")
        self.classifier = tf.keras.layers.Dense(CLUSTERS, name="classifier")
        self.classifier.build((None, width))
        self.occasions = [AtStart(), *occasions]

    def terms(self, batch, training):
        features = self(batch, training=training)
        z, rows = features["broad_audio"], batch["clip_id"]
        unit = tf.math.l2_normalize(z, axis=-1)
        labels = self.labels.of(rows)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.maximum(labels, 0), self.classifier(z)
        )
        near = tf.reduce_logsumexp(tf.matmul(unit, self.queue.entries, transpose_b=True), axis=-1)
        own = tf.reduce_sum(unit * self.bank.read(tf.maximum(rows, 0)), axis=-1)
        losses = {"cluster": loss, "queue": near, "bank": 1 - own}
        writes = [lambda: self.queue.push(unit), lambda: self.bank.update(rows, unit)]
        return base.Terms(losses, features, {}, writes=writes)

    def on_occasion(self, occasion, features):
        found, rng = features.of("broad_audio"), np.random.default_rng(features.seed)
        if not int(self.occasions[0].times.numpy()):
            self.first.assign(found)
        unit = found / np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-12)
        self.bank.vectors.assign(unit)
        self.labels.replace(clusters(found, rng))
        kernel = rng.normal(size=self.classifier.kernel.shape)
        self.classifier.kernel.assign(kernel.astype(np.float32))


def clusters(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns (N,) numbers of the nearest of three features that are drawn; -1 for what is NaN."""
    known = np.flatnonzero(np.isfinite(features).all(axis=-1))
    centres = features[rng.choice(known, CLUSTERS, replace=False)]
    distances = ((features[:, np.newaxis] - centres) ** 2).sum(axis=-1)
    nearest = np.where(np.isnan(distances), np.inf, distances).argmin(axis=-1)
    return np.where(np.isfinite(features).all(axis=-1), nearest, -1)
