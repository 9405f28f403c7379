"""Nearest training clips, by the cosine of features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from brave_tf.errors import UserError
from brave_tf.evaluation.features.feature_bank import ClipFeatures

# Neighbours that are kept with the predictions.
_SHOWN = 10
# Cosines that are held at a time.
_CHUNK = 2**23


def cosines(train: np.ndarray, queries: np.ndarray) -> Iterator[np.ndarray]:
    """Compares queries with training clips, some queries at a time.

    They are computed in double precision and then rounded, so that clips of the same features are equally
    near wherever they stand.

    Args:
      train: (clips, D) float.
      queries: (queries, D) float.

    Yields:
      (some queries, clips) float32 in [-1, 1], in order; 0 for features that are all zero.

    Raises:
      UserError: a feature is NaN or infinite.
    """
    train, queries = _unit(train), _unit(queries)
    at_once = max(1, _CHUNK // len(train))
    for first in range(0, len(queries), at_once):
        yield (queries[first : first + at_once] @ train.T).astype(np.float32)


def nearest(train: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the training clips of highest cosine with each query, to be shown.

    Which of equals come first says nothing: see `votes.Votes` and `retrieval.recalls` for scores.

    Args:
      train: (clips, D) float.
      queries: (queries, D) float.
      k: how many; at most all clips are found.

    Returns:
      (queries, k) int64 rows of `train`, the nearest first and the first of equals, and (queries, k)
      float32 cosines, see `cosines`.
    """
    k = min(k, len(train))
    indices, similarities = [], []
    for chunk in cosines(train, queries):
        order = np.argsort(-chunk, axis=1, kind="stable")[:, :k]
        indices.append(order)
        similarities.append(np.take_along_axis(chunk, order, axis=1))
    return np.concatenate(indices), np.concatenate(similarities)


def neighbour_columns(train: ClipFeatures, queries: ClipFeatures) -> dict[str, np.ndarray]:
    """Returns what `Predictions` hold of the training clips that are nearest to each query."""
    indices, similarities = nearest(train.mean, queries.mean, _SHOWN)
    return {
        "neighbours": train.keys[indices],
        "similarities": similarities,
        "neighbour_labels": train.labels[indices],
    }


def _unit(features: np.ndarray) -> np.ndarray:
    features = np.asarray(features, np.float64)
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise UserError(
            f"the features of {np.count_nonzero(bad)} of {len(features)} clips are NaN or infinite: they "
            "have no neighbours."
        )
    # Scaled first, since squares may be too small or too large for a float.
    features = features / _or_one(np.abs(features).max(axis=1, keepdims=True, initial=0))
    return features / _or_one(np.linalg.norm(features, axis=1, keepdims=True))


def _or_one(lengths: np.ndarray) -> np.ndarray:
    return np.where(lengths > 0, lengths, 1.0)
