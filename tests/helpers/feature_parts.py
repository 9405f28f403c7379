"""Parts of cached features that are held in memory, and count how often they are read."""

from __future__ import annotations

import types
from collections.abc import Sequence

import numpy as np


class Part:
    """Features (n, windows, D) of clips, with their labels and keys."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, keys: np.ndarray):
        self.rows, self.reads = len(features), 0
        self._data = types.SimpleNamespace(
            features=features, labels=labels, keys=keys, paths=np.char.add(keys, ".mp4")
        )

    def load(self) -> types.SimpleNamespace:
        self.reads += 1
        return self._data


def parts(features: np.ndarray, labels: np.ndarray, sizes: Sequence[int]) -> list[Part]:
    """Cuts clips, features (n, D) or (n, windows, D), into parts of `sizes`; their keys are train/0, ..."""
    features = features[:, None] if features.ndim == 2 else features
    keys = np.array([f"train/{number}" for number in range(len(labels))])
    cuts = np.cumsum(sizes)[:-1]
    return [
        Part(*columns) for columns in zip(*(np.split(a, cuts) for a in (features, labels, keys)))
    ]
