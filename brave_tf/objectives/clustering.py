"""Clusters of features, for objectives that learn from them."""

from __future__ import annotations

import dataclasses

import gin
import numpy as np
import threadpoolctl
from sklearn import cluster

from brave_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Clusters:
    """Clusters of clips.

    Attributes:
      labels: (N,) int32, number of the nearest centroid; -1 for clips without features.
      centroids: (k, D) float32, means of their clips.
      inertia: sum of the squared distances of clips to their centroids.
    """

    labels: np.ndarray
    centroids: np.ndarray
    inertia: float


@gin.configurable
def kmeans(
    features: np.ndarray,
    clusters: int,
    seed: int,
    iterations: int = 300,
    starts: int = 1,
    batch: int | None = None,
    first: np.ndarray | None = None,
) -> Clusters:
    """Clusters features by scikit-learn's k-means: Lloyd's iterations, or those over parts.

    A cluster that runs empty takes the clip that is farthest from its own centroid, as scikit-learn has it.
    Sums are taken in one order, so that the same features give the same bits.

    Args:
      features: (N, D) float; rows that are not finite belong to no cluster.
      clusters: k.
      seed: of what is drawn.
      iterations: at most.
      starts: how many times it is begun; the result of the lowest inertia counts.
      batch: clips of an iteration (`MiniBatchKMeans`), where there are too many for all; None for all.
      first: (k, D) centroids to begin with; None: k-means++ draws them.

    Raises:
      UserError: there are fewer clips with features than clusters, or an argument is out of range.
    """
    for name, count in {"clusters": clusters, "iterations": iterations, "starts": starts}.items():
        if count < 1:
            raise UserError(f"kmeans.{name} = {count!r}: expected at least 1.")
    known = np.isfinite(features).all(axis=-1)
    if known.sum() < clusters:
        raise UserError(
            f"kmeans: {known.sum()} of {len(features)} clips have features, which are too few for {clusters} "
            "clusters: bind fewer clusters, or train on more clips."
        )
    settings = {
        "n_clusters": clusters,
        "init": "k-means++" if first is None else first,
        "n_init": starts if first is None else 1,
        "max_iter": iterations,
        "random_state": seed,
    }
    if batch is None:
        model = cluster.KMeans(**settings, tol=0.0, algorithm="lloyd")
    else:
        model = cluster.MiniBatchKMeans(**settings, batch_size=batch)
    # Threads would add up their sums in the order in which they end.
    with threadpoolctl.threadpool_limits(1):
        model.fit(features[known])
    labels = np.full(len(features), -1, np.int32)
    labels[known] = model.labels_
    return Clusters(labels, model.cluster_centers_.astype(np.float32), float(model.inertia_))
