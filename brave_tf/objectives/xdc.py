"""XDC: Self-Supervised Learning by Cross-Modal Audio-Video Clustering (Alwassel et al., NeurIPS 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Callable

import gin
import numpy as np
import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives import base
from brave_tf.objectives.clustering import Clusters, kmeans
from brave_tf.objectives.occasions import AtStart, Occasion, RowFeatures, WhenSaturated
from brave_tf.objectives.pseudo_labels import PseudoLabels
from brave_tf.objectives.state import state_variable

CROSS, OWN, BOTH, CONCATENATED = "cross", "own", "both", "concatenated"
_ALL = "all"


class ClusterLabels(PseudoLabels):
    """The clusters of all clips by the features of some views.

    Args:
      views: whose features are put side by side.
      rows: N, clips.
      clusters: k.
      width: D, of the features of all views together.
      name: of them.

    Attributes:
      centroids: (k, D) float32.
    """

    def __init__(self, views: Sequence[str], rows: int, clusters: int, width: int, name: str):
        super().__init__(rows, name=name)
        self.views = tuple(views)
        self.centroids = state_variable(
            np.zeros((clusters, width), np.float32), f"{name}/centroids"
        )

    def take(self, found: Clusters) -> None:
        """Takes other clusters, between steps; every process of a run has to do so."""
        self.replace(found.labels)
        self.centroids.assign(found.centroids)

    def nearest(self, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns (B,) int32, the nearest centroids to features of clips that were not clustered."""
        x = tf.stop_gradient(tf.concat([features[view] for view in self.views], axis=-1))
        distances = tf.reduce_sum(self.centroids**2, axis=-1) - 2 * tf.matmul(
            x, self.centroids, transpose_b=True
        )
        return tf.argmin(distances, axis=-1, output_type=tf.int32)


@gin.configurable
class XDC(base.Objective):
    """Each network learns to predict the clusters of the other one's features, which change on occasions.

    At an occasion the features of all clips are clustered, and the linear classifiers are redrawn.
    Until the next one, labels stay. The term `narrow_by_broad_audio`, say, is the cross-entropy of the view
    `narrow`'s classifier with the clusters of the view `broad_audio` (paper, section 3). Held-out clips have
    the label of the centroid nearest to their features. Clips without features do not count.

    There is no public code. That features are clustered as they are, neither of length 1 nor whitened, and
    that classifiers are drawn as Glorot and Bengio do, with biases 0, are assumptions.

    Args:
      backbones: two views or more, such as `narrow` and `broad_audio`.
      num_clips: N, of the split that is trained on.
      clusters: k, the same for all views.
      labels: whose clusters a view learns: `cross`, those of the other views (XDC); `own`, its own (SDC, as
        DeepCluster); `both`, those of all views, by a classifier each (MDC); `concatenated`, those of all
        features side by side (CDC).
      occasions: when clips are clustered, beside the start; None: when the loss on held-out clips saturates.
      cluster: finds clusters, `cluster(features, clusters, seed=...)`.
      loss_scale: constant factor on the loss, the mean of the terms.

    Raises:
      UserError: fewer than two views, two clusters or one clip, or no such `labels`.
    """

    clip_fields = ("clip_id",)

    def __init__(
        self,
        backbones: base.Backbones,
        num_clips: int = gin.REQUIRED,
        clusters: int = 64,
        labels: str = CROSS,
        occasions: Sequence[Occasion] | None = None,
        cluster: Callable[..., Clusters] = kmeans,
        loss_scale: float = 1.0,
    ):
        super().__init__(backbones, loss_scale)
        views = list(self.backbones)
        if len(views) < 2:
            raise errors.UserError(f"XDC.backbones has {views}: expected two views or more.")
        if labels not in (CROSS, OWN, BOTH, CONCATENATED):
            raise errors.UserError(
                f"XDC.labels = {labels!r}: expected {CROSS!r}, {OWN!r}, {BOTH!r} or {CONCATENATED!r}."
            )
        if clusters < 2 or num_clips < 1:
            raise errors.UserError(
                f"XDC.clusters = {clusters}, num_clips = {num_clips}: expected at least 2 and 1."
            )
        self.num_clips, self.num_clusters, self._cluster = num_clips, clusters, cluster
        sources = {_ALL: views} if labels == CONCATENATED else {view: [view] for view in views}
        self.sources = {
            name: ClusterLabels(
                of, num_clips, clusters, sum(map(self.feature_size, of)), f"clusters_of_{name}"
            )
            for name, of in sources.items()
        }
        learned = {CROSS: lambda a, b: a != b, OWN: lambda a, b: a == b}.get(
            labels, lambda a, b: True
        )
        self.classifiers: dict[str, tf.keras.layers.Layer] = {}
        self._of_term: dict[str, tuple[str, str]] = {}
        for view in views:
            for source in self.sources:
                if learned(view, source):
                    term = f"{view}_by_{source}"
                    self._of_term[term] = view, source
                    self.classifiers[term] = tf.keras.layers.Dense(
                        clusters, name=f"{term}_classifier", dtype="float32"
                    )
                    self.classifiers[term].build((None, self.feature_size(view)))
        self.occasions = [AtStart(), *([WhenSaturated()] if occasions is None else occasions)]

    @property
    def term_names(self) -> list[str]:
        return list(self._of_term)

    @property
    def monitor_names(self) -> list[str]:
        return [f"accuracy/{term}" for term in self._of_term]

    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> base.Terms:
        """Computes the cross-entropies with the clusters of the batch's clips; see the class."""
        features = self(batch, training=training)
        labels = {}
        for name, source in self.sources.items():
            found = source.of(batch["clip_id"])
            labels[name] = (
                found if training else tf.where(found < 0, source.nearest(features), found)
            )
        known = tf.reduce_all([each >= 0 for each in labels.values()], axis=0)
        losses, monitors = {}, {}
        for term, (view, source) in self._of_term.items():
            logits = self.classifiers[term](features[view])
            label = tf.maximum(labels[source], 0)
            losses[term] = tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits)
            right = tf.argmax(logits, axis=-1, output_type=tf.int32) == label
            monitors[f"accuracy/{term}"] = tf.cast(right, tf.float32)
        return base.Terms(losses, features, monitors, counts=tf.cast(known, tf.float32))

    def on_occasion(self, occasion: Occasion, features: RowFeatures) -> None:
        """Clusters all clips again and redraws the classifiers."""
        seeds = np.random.SeedSequence(features.seed).generate_state(
            len(self.sources) + len(self.classifiers)
        )
        seeds = iter(seeds.tolist())
        for source in self.sources.values():
            of_views = np.concatenate([features.of(view) for view in source.views], axis=-1)
            source.take(self._cluster(of_views, self.num_clusters, seed=next(seeds)))
        for classifier in self.classifiers.values():
            draw = tf.keras.initializers.GlorotUniform(seed=next(seeds))
            classifier.kernel.assign(draw(classifier.kernel.shape))
            classifier.bias.assign(tf.zeros_like(classifier.bias))
