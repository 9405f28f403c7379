"""What is random about an epoch: the order of its clips, and what is left out for whole batches."""

from __future__ import annotations

from typing import Any, Callable

import tensorflow as tf


def epoch_seeds(seed: int, epoch: tf.Tensor) -> list[tf.Tensor]:
    """Returns three (2,) int32 seeds: for the order of shards, the shuffle buffer, and the clips."""
    base = tf.constant([seed & 0x7FFFFFFF, (seed >> 31) & 0x7FFFFFFF], tf.int32)
    mine = tf.random.experimental.stateless_fold_in(base, epoch)
    return tf.unstack(tf.random.experimental.stateless_split(mine, 3))


def shuffle(items: tf.data.Dataset, shuffle_buffer: int, seed: tf.Tensor) -> tf.data.Dataset:
    """Shuffles items by a buffer, as the seed says, (2,) int32."""
    if shuffle_buffer == 1:
        return items
    # The seed of `shuffle` is mixed with this graph's, which would be the process's global seed.
    tf.random.set_seed(1)
    seed = tf.cast(seed[0], tf.int64)
    return items.shuffle(shuffle_buffer, seed=seed, reshuffle_each_iteration=False)


def thin_out(items: tf.data.Dataset, size: int, kept: int, seed: tf.Tensor) -> tf.data.Dataset:
    """Keeps `kept` items of an epoch, in their order. All are equally likely to be left out.

    Args:
      items: of the epoch, `size` of them.
      size: how many there are.
      kept: how many of them are kept.
      seed: (2,) int32, that of the epoch's shuffle buffer, of which a seed is derived.
    """
    if kept == size:
        return items
    own = tf.random.experimental.stateless_fold_in(seed, 1)
    is_kept = tf.random.experimental.stateless_shuffle(tf.range(size) < kept, own)
    never = tf.autograph.experimental.do_not_convert
    numbered = items.enumerate().filter(never(lambda number, item: is_kept[number]))
    return numbered.map(never(lambda number, item: item))


def with_seeds(
    items: tf.data.Dataset, seed: tf.Tensor, number_of: Callable[[Any], tf.Tensor]
) -> tf.data.Dataset:
    """Adds the seed of its clip to each item, (2,) int32, which depends on the item and the epoch alone.

    Args:
      items: of one epoch.
      seed: (2,) int32, that of the epoch's clips.
      number_of: item -> () int64 by which it is told from the others.
    """

    @tf.autograph.experimental.do_not_convert
    def add_seed(item: Any) -> tuple[Any, tf.Tensor]:
        return item, tf.random.experimental.stateless_fold_in(seed, number_of(item))

    return items.map(add_seed)
