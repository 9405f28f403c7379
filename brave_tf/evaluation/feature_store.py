"""Keeps the features of an unfinished evaluation on disk, so that it can be interrupted."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np


class PartStore:
    """Rows of features and labels, in files that are written one after the other.

    Args:
      folder: where the stores of an evaluation are.
      key: plain JSON values that say what the rows are; other values make another store.
    """

    def __init__(self, folder: str | os.PathLike[str], key: dict[str, Any]):
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        self._folder = pathlib.Path(folder) / digest[:16]
        self._parts = len(self._files())

    def load(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Returns the features, (rows, D) float32, and labels, (rows,) int64, of each part."""
        features, labels = [], []
        for path in self._files():
            with np.load(path) as part:
                features.append(part["features"])
                labels.append(part["labels"])
        return features, labels

    def add(self, features: np.ndarray, labels: np.ndarray) -> None:
        """Writes one more part: (rows, D) float32 features and (rows,) int64 labels."""
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = self._folder / "unfinished.npz"
        np.savez(aside, features=features, labels=labels)
        os.replace(aside, self._folder / f"part-{self._parts:06d}.npz")
        self._parts += 1

    def _files(self) -> list[pathlib.Path]:
        return sorted(self._folder.glob("part-*.npz"))


def digest_of_weights(weights: list[np.ndarray]) -> str:
    """Returns a hash of the values of `weights`."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(repr((weight.shape, weight.dtype)).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def digest_of_files(paths: list[str]) -> str:
    """Returns a hash of the names, sizes and times of change of files."""
    stats = [(path, os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(stats).encode()).hexdigest()
