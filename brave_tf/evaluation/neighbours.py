"""Nearest training clips, by the cosine of features."""

from __future__ import annotations

import numpy as np

from brave_tf.errors import UserError
from brave_tf.errors import nearest as nearest_names
from brave_tf.evaluation.clip_features import ClipFeatures, FeatureBank

AUGMENTED, CROPS = "augmented", "crops"
# Neighbours that are kept with the predictions.
_SHOWN = 10
_CHUNK = 1024


def nearest(train: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the training clips of highest cosine with each query.

    Args:
      train: (clips, D) float.
      queries: (queries, D) float.
      k: how many; at most all clips are found.

    Returns:
      (queries, k) int64 rows of `train`, the nearest first and the first of equals, and (queries, k)
      float32 cosines in [-1, 1]; 0 for features that are all zero.
    """
    train, queries = _unit(train), _unit(queries)
    k = min(k, len(train))
    indices, cosines = [], []
    for first in range(0, len(queries), _CHUNK):
        similarities = queries[first : first + _CHUNK] @ train.T
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
        indices.append(order)
        cosines.append(np.take_along_axis(similarities, order, axis=1))
    return np.concatenate(indices), np.concatenate(cosines)


def check_train_windows(protocol: str, value: str) -> None:
    """Raises UserError for what `train_features` does not know."""
    if value not in (AUGMENTED, CROPS):
        raise UserError(
            f"{protocol}.train_windows = {value!r}: expected '{AUGMENTED}' or '{CROPS}'."
            f"{nearest_names(str(value), (AUGMENTED, CROPS))}"
        )


def train_features(bank: FeatureBank, split: str, train_windows: str) -> ClipFeatures:
    """Returns the features of training clips that neighbours are looked for among.

    Args:
      bank: of the clips.
      split: of the training clips.
      train_windows: 'augmented': the augmented passes, which a linear probe needs too; 'crops': the same
        crops as of test clips, as in the literature on retrieval.
    """
    return bank.test(split) if train_windows == CROPS else bank.train(split)


def neighbour_columns(
    train: ClipFeatures, indices: np.ndarray, similarities: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns what `Predictions` hold of the nearest training clips; for the arguments see `nearest`."""
    indices = indices[:, :_SHOWN]
    return {
        "neighbours": train.keys[indices],
        "similarities": similarities[:, :_SHOWN].astype(np.float32),
        "neighbour_labels": train.labels[indices],
    }


def _unit(features: np.ndarray) -> np.ndarray:
    features = np.asarray(features, np.float32)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
