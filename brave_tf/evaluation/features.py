"""Features of many windows from a frozen backbone."""

from __future__ import annotations

from typing import Callable

import numpy as np
import tensorflow as tf
import tqdm


def extract(
    embed: Callable[[tf.Tensor], tf.Tensor],
    windows: tf.data.Dataset,
    count: int,
    *,
    batch_size: int,
    description: str,
    group: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Embeds `count` windows, averaging the features of every `group` neighbours.

    Windows go through the backbone in batches of one fixed size, whatever clip they come from, and
    only one batch and the averages are held in memory. Progress, rate and time left are shown on
    stderr.

    Args:
      embed: (batch_size, *window) -> (batch_size, D) float32; is traced once.
      windows: elements (window, label): a float tensor of static shape and an integer scalar.
      count: how many windows to take, a multiple of `group`.
      batch_size: windows per forward pass.
      description: what is embedded, for the progress line.
      group: how many neighbouring windows, crops of one clip, make one row.

    Returns:
      (count / group, D) float32 features and (count / group,) int64 labels, those of the first
      window of each group.

    Raises:
      ValueError: when there are fewer than `count` windows.
    """
    if count % group:
        raise ValueError(f"{count} windows are no whole number of groups of {group}")
    forward = tf.function(lambda batch: embed(_filled(batch, batch_size)))
    batches = windows.take(count).batch(batch_size).prefetch(1)
    labels = np.empty(count, np.int64)
    means, done = None, 0
    progress = tqdm.tqdm(total=count // group, desc=description, unit=" clips", mininterval=1.0)
    with progress:
        for batch, batch_labels in batches:
            size = len(batch_labels)
            features = forward(batch)[:size].numpy()
            if means is None:
                means = np.zeros((count // group, features.shape[1]), np.float32)
            rows = np.arange(done, done + size) // group
            np.add.at(means, rows, features / group)
            labels[done : done + size] = batch_labels
            done += size
            progress.update(done // group - progress.n)
    if done < count:
        raise ValueError(f"{description}: {done} windows where {count} were expected")
    return means, labels[::group]


def _filled(batch: tf.Tensor, batch_size: int) -> tf.Tensor:
    """Fills a last, smaller batch with zeros, so that one graph of static shape serves all."""
    missing = [[0, batch_size - tf.shape(batch)[0]], *([[0, 0]] * (batch.shape.rank - 1))]
    return tf.ensure_shape(tf.pad(batch, missing), [batch_size, *batch.shape[1:]])
