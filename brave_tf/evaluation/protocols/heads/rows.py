"""Rows of training features in random orders, without holding all of them in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn import preprocessing

# What of a part a classifier is trained on: features (n, D) float32, labels, (n,) int64 classes or
# (n, classes) bool, and keys of the clips, (n,) str.
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a reading of all training features tells.

    Attributes:
      scaler: fitted to the features of all passes.
      keys: (clips,) str, the clips of the first pass.
      positives: (classes,) int64, how many of them have each label.
    """

    scaler: preprocessing.StandardScaler
    keys: np.ndarray
    positives: np.ndarray


class TrainingRows:
    """The features of the training clips, one row to a clip in each pass.

    An epoch gives every clip once; epochs take the passes in turns. Parts come in a random order and
    are read until `rows_in_memory` rows are there, which are shuffled among each other. Orders depend
    on the seed and the number of the epoch alone.

    Args:
      passes: parts by pass, see `feature_bank.FeatureBank.train_parts`.
      rows_in_memory: so many rows may be held in memory, once as they are read and once as they are
        shuffled; passes that have no more rows together are read once.

    Attributes:
      num_rows: how many rows the first pass has, and so an epoch.
    """

    def __init__(self, passes: Sequence[Sequence[Any]], rows_in_memory: int):
        self.num_rows = sum(part.rows for part in passes[0])
        self._passes, self._rows_in_memory = passes, rows_in_memory
        self._keeps = sum(part.rows for parts in passes for part in parts) <= rows_in_memory
        self._kept: dict[tuple[int, int], Rows] = {}

    def facts(self, num_classes: int) -> Facts:
        """Reads everything once."""
        scaler = preprocessing.StandardScaler()
        keys, positives = [], np.zeros(num_classes, np.int64)
        for number, parts in enumerate(self._passes):
            for index, _ in enumerate(parts):
                features, labels, part_keys = self._read(number, index)
                scaler.partial_fit(features)
                if number == 0:
                    keys.append(part_keys)
                    positives += _positives(labels, num_classes)
        return Facts(scaler, np.concatenate(keys), positives)

    def only(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns features and labels of the clips `keys` in the first pass."""
        chosen = []
        for index, _ in enumerate(self._passes[0]):
            features, labels, part_keys = self._read(0, index)
            wanted = np.isin(part_keys, keys)
            chosen.append((features[wanted], labels[wanted]))
        return _joined(chosen)

    def epoch(
        self, number: int, batch_size: int, seed: int, without: Sequence[str] = ()
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the batches of an epoch, features (B, D) and labels; the last one may be smaller.

        Args:
          number: of the epoch.
          batch_size: B.
          seed: of the orders.
          without: keys of clips to leave out.
        """
        rng = np.random.default_rng([seed, number])
        waiting = None
        for features, labels in self._buffers(number % len(self._passes), rng, without):
            if waiting is not None:
                features = np.concatenate([waiting[0], features])
                labels = np.concatenate([waiting[1], labels])
            order = rng.permutation(len(labels))
            whole = len(order) - len(order) % batch_size
            for start in range(0, whole, batch_size):
                chosen = order[start : start + batch_size]
                yield features[chosen], labels[chosen]
            waiting = features[order[whole:]], labels[order[whole:]]
        if waiting is not None and len(waiting[1]):
            yield waiting

    def _buffers(
        self, pass_number: int, rng: np.random.Generator, without: Sequence[str]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        parts = self._passes[pass_number]
        read, rows = [], 0
        for index in rng.permutation(len(parts)):
            if read and rows + parts[index].rows > self._rows_in_memory:
                yield _joined(read)
                read, rows = [], 0
            features, labels, keys = self._read(pass_number, index)
            kept = ~np.isin(keys, without)
            read.append((features[kept], labels[kept]) if len(without) else (features, labels))
            rows += parts[index].rows
        yield _joined(read)

    def _read(self, pass_number: int, index: int) -> Rows:
        place = pass_number, index
        if place in self._kept:
            return self._kept[place]
        data = self._passes[pass_number][index].load()
        rows, windows, size = data.features.shape
        if windows != 1:
            raise ValueError(f"{windows} windows of a clip in one pass")
        found = data.features.reshape(rows, size), data.labels, data.keys
        if self._keeps:
            self._kept[place] = found
        return found


def _joined(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    features, labels = zip(*parts)
    return np.concatenate(features), np.concatenate(labels)


def _positives(labels: np.ndarray, num_classes: int) -> np.ndarray:
    if labels.ndim == 1:
        return np.bincount(labels, minlength=num_classes)
    return labels.sum(axis=0)
