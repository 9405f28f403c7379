"""A plug-in of one file: a backbone, an objective and an evaluation task of one's own.

A gin file that has the line `import brave_tf_contrast` makes all three known; see contrast.gin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gin
import numpy as np
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.metrics import scores
from brave_tf.evaluation.protocols.frozen_features import open_bank, outcome
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.outcome import Outcome
from brave_tf.evaluation.tasks.families import register_tasks
from brave_tf.models.precision import full_dtype
from brave_tf.objectives.base import NARROW, Objective, Terms


@gin.configurable
def frame_average(widths: Sequence[int] = (32, 64, 128), name: str = "frame_average"):
    """Builds (B, T, H, W, C) -> (B, widths[-1]) float32: convolutions of each frame, averaged over all.

    Args:
      widths: channels of each convolution, which halves height and width.
      name: name of the model.
    """
    clip = tf.keras.Input((None, None, None, 3), name="clip")
    x = clip
    for index, width in enumerate(widths):
        conv = tf.keras.layers.Conv2D(width, 3, 2, "same", activation="relu", name=f"conv_{index}")
        x = tf.keras.layers.TimeDistributed(conv, name=f"frames_{index}")(x)
    pooled = tf.keras.layers.GlobalAveragePooling3D(name="embedding", dtype=full_dtype())(x)
    return tf.keras.Model(clip, pooled, name=name)


@gin.configurable
class Contrast(Objective):
    """Tells each clip's own broad view from those of the batch's other clips, and the reverse.

    The loss is the symmetric InfoNCE of CLIP (Radford et al., ICML 2021, figure 3), with a fixed temperature.

    Args:
      backbones: view name -> backbone; one of the views is called `narrow`.
      size: D of the common space, which a linear layer for each view projects to.
      temperature: that cosines are divided by, above 0.

    Raises:
      UserError: there is no narrow view or no other, or the temperature is not above 0.
    """

    def __init__(
        self, backbones: Mapping[str, tf.keras.Model], size: int = 128, temperature: float = 0.1
    ):
        super().__init__(backbones)
        self.broad = [view for view in self.backbones if view != NARROW]
        if NARROW not in self.backbones or not self.broad:
            raise UserError(
                f"Contrast.backbones has {list(backbones)}: expected narrow and others."
            )
        if not temperature > 0:
            raise UserError(f"Contrast.temperature = {temperature!r}: expected a number above 0.")
        self.temperature = temperature
        self.projections = {}
        for view in self.backbones:
            self.projections[view] = tf.keras.layers.Dense(size, name=f"{view}_projection")
            self.projections[view].build((None, self.feature_size(view)))

    @property
    def term_names(self) -> list[str]:
        return [f"{NARROW}_{view}" for view in self.broad]

    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> Terms:
        """Computes the loss of each clip against the others of the batch, for each broad view."""
        features = self(batch, training=training)
        unit = {
            view: tf.math.l2_normalize(tf.cast(self.projections[view](x), tf.float32), axis=-1)
            for view, x in features.items()
        }
        losses = {
            f"{NARROW}_{view}": self._contrast(unit[NARROW], unit[view]) for view in self.broad
        }
        return Terms(losses, features, {})

    def _contrast(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """(B, D) and (B, D), of length 1 -> (B,) loss of each clip."""
        logits = tf.matmul(a, b, transpose_b=True) / self.temperature
        own = tf.range(tf.shape(logits)[0])
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits
        return (loss(own, logits) + loss(own, tf.transpose(logits))) / 2


@gin.configurable
def nearest_mean(
    probe: Probe, data_dir: str, train_split: str = "train", test_split: str = "test"
) -> Outcome:
    """Gives each test clip the class whose mean of training features is nearest (cosine).

    Args:
      probe: the frozen backbone.
      data_dir: folder of prepared records, or media files.
      train_split: split whose classes are averaged.
      test_split: split that is scored.

    Returns:
      `top1` and `top5` with their 95 % intervals.
    """
    bank = open_bank(probe, data_dir, train_split, test_split)
    train, test = bank.train(train_split), bank.test(test_split)
    classes = np.unique(train.labels)
    means = np.stack([train.mean[train.labels == label].mean(axis=0) for label in classes])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    hits = scores.top_hits(test.mean @ means.T, np.searchsorted(classes, test.labels))
    settings = {"train_split": train_split, "test_split": test_split}
    return outcome(bank, train, test, hits, settings)


NEAREST_MEAN = Kind("nearest_mean", nearest_mean, "nearest mean of a class", ("top1", "top5"))
register_tasks("contrast", "the clips in --data", [NEAREST_MEAN], modalities=("rgb", "audio"))
