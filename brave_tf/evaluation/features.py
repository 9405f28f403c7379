"""Features of many windows from a frozen backbone."""

from __future__ import annotations

import time

import numpy as np
import tensorflow as tf

from brave_tf.data.attempts import user_errors
from brave_tf.errors import UserError
from brave_tf.evaluation.part_store import PartStore
from brave_tf.evaluation.probe import Embed
from brave_tf.progress import Progress

_SECONDS_BETWEEN_PARTS = 60.0


def extract(
    embed: Embed,
    windows: tf.data.Dataset,
    count: int,
    *,
    batch_size: int,
    description: str,
    group: int = 1,
    store: PartStore | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Embeds up to `count` windows, averaging the features of every `group` neighbours.

    Windows go through the backbone in batches of one fixed size, whatever clips they come from, and
    only one batch and the averages are held in memory. Progress, rate and time left are shown on
    stderr.

    Args:
      embed: (batch_size, *window) -> (batch_size, D) float32; is traced once.
      windows: elements (window, label): a float tensor of static shape and an integer scalar.
      count: how many windows to take, a multiple of `group`.
      batch_size: windows per forward pass.
      description: what is embedded, for the progress line.
      group: how many neighbouring windows, crops of one clip, make one row.
      store: keeps rows every minute and when interrupted; the rows that it has are not computed again.

    Returns:
      (rows, D) float32 features and (rows,) int64 labels, those of the first window of each group.
      There are count / group rows, fewer when `windows` ends before.

    Raises:
      UserError: when `windows` is empty, or too many clips cannot be read.
    """
    rows = _Rows(group, store)
    windows = windows.skip(rows.loaded * group).take(count - rows.loaded * group)
    batches = windows.batch(batch_size).prefetch(1)
    spec = batches.element_spec[0]
    forward = tf.function(lambda x: embed(_filled(x, batch_size)), input_signature=[spec])
    try:
        done = rows.loaded * group
        with user_errors(), Progress(count, description, "windows", done=done) as progress:
            for batch, labels in batches:
                rows.add(forward(batch)[: len(labels)].numpy(), labels.numpy())
                progress.add(len(labels))
    finally:
        rows.keep()
    if not rows.features:
        raise UserError(f"{description}: not one clip could be read; the warnings above say why.")
    return np.concatenate(rows.features), np.concatenate(rows.labels)


class _Rows:
    """Gathers features into rows, the means of `group` neighbours, and keeps them in a store."""

    def __init__(self, group: int, store: PartStore | None):
        self.features, self.labels = store.load() if store else ([], [])
        self.loaded = sum(map(len, self.labels))
        self._group, self._store = group, store
        self._stored, self._stored_at = len(self.labels), time.monotonic()
        self._rest: tuple[np.ndarray, np.ndarray] | None = None

    def add(self, features: np.ndarray, labels: np.ndarray) -> None:
        """Takes the features (n, D) and labels (n,) of the next windows."""
        if self._rest is not None:
            features = np.concatenate([self._rest[0], features])
            labels = np.concatenate([self._rest[1], labels])
        rows = len(labels) // self._group
        whole = rows * self._group
        self._rest = features[whole:], labels[whole:]
        if rows:
            groups = features[:whole].reshape(rows, self._group, features.shape[1])
            self.features.append(groups.mean(axis=1, dtype=np.float32))
            self.labels.append(labels[: whole : self._group])
        if time.monotonic() - self._stored_at > _SECONDS_BETWEEN_PARTS:
            self.keep()

    def keep(self) -> None:
        """Writes the rows that the store does not have yet."""
        if self._store is not None and len(self.labels) > self._stored:
            new = slice(self._stored, None)
            self._store.add(np.concatenate(self.features[new]), np.concatenate(self.labels[new]))
        self._stored, self._stored_at = len(self.labels), time.monotonic()


def _filled(batch: tf.Tensor, batch_size: int) -> tf.Tensor:
    """Fills a last, smaller batch with zeros, so that one graph of static shape serves all."""
    missing = [[0, batch_size - tf.shape(batch)[0]], *([[0, 0]] * (batch.shape.rank - 1))]
    return tf.ensure_shape(tf.pad(batch, missing), [batch_size, *batch.shape[1:]])
