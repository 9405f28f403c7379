"""Reads the records of one shard, or their entries in its index, past damage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from brave_tf.data.records.reader import compression_of

# A file that cannot be opened fails each time again: a shard has no more records than this.
MOST_RECORDS = 10**6
# A clip takes more than that.
_LEAST_BYTES = 64


class Record(NamedTuple):
    """A record as it was read, or its entry in the index of its shard; and from where."""

    shard: tf.Tensor  # () int64, number of the shard in its split
    position: tf.Tensor  # () int64, number of the record in its shard
    serialized: tf.Tensor  # () string, empty where the shard is damaged or cut short


def compression_of_all(paths: Sequence[str]) -> str:
    """Returns how shards are compressed: as the first that can hold a clip, others are empty or cut short."""
    holding = (path for path in paths if tf.io.gfile.stat(path).length >= _LEAST_BYTES)
    return compression_of(next(holding, paths[0]))


def read_counted(
    path: tf.Tensor, shard: tf.Tensor, clips: tf.Tensor, compression: str
) -> tf.data.Dataset:
    """Reads a shard whose number of records is known; empty ones stand for what cannot be read.

    Args:
      path: () string, of the shard or its index.
      shard: () int64, its number in the split.
      clips: () int64, how many records it has.
      compression: see `reader.compression_of`.

    Returns:
      A dataset of `Record`.
    """
    read = tf.data.TFRecordDataset(path, compression)
    # A file that cannot be opened fails each time again: no more attempts than records.
    attempts = tf.data.Dataset.zip((tf.data.Dataset.range(clips + 1), read)).ignore_errors()
    found = attempts.map(lambda attempt, record: record)
    records = found.concatenate(tf.data.Dataset.from_tensors(b"").repeat())
    shards = tf.data.Dataset.from_tensors(shard).repeat()
    return tf.data.Dataset.zip(Record(shards, tf.data.Dataset.range(clips), records))


def read_uncounted(path: tf.Tensor, shard: tf.Tensor, compression: str) -> tf.data.Dataset:
    """Does what `read_counted` does without the number; one empty record stands for all that is missing.

    A shard without any record is one whose writer did not finish, or that was not copied.
    """
    end = tf.data.Dataset.from_tensors(b"")
    read = tf.data.TFRecordDataset(path, compression).concatenate(end)
    positions = tf.data.Dataset.range(MOST_RECORDS)
    shards = tf.data.Dataset.from_tensors(shard).repeat()
    records = tf.data.Dataset.zip(Record(shards, positions, read)).ignore_errors()
    # The end of a file that cannot be opened.
    last = tf.constant(MOST_RECORDS, tf.int64)
    records = records.concatenate(tf.data.Dataset.from_tensors(Record(shard, last, b"")))

    @tf.autograph.experimental.do_not_convert
    def compare(before: tf.Tensor, record: Record) -> tuple:
        # What fails uses up a position: then the end does not follow what is before it.
        is_end = tf.equal(record.serialized, b"")
        failed = (record.position > before + 1) | (record.position == 0)
        return tf.where(is_end, last, record.position), (record, failed | ~is_end)

    compared = records.scan(tf.constant(-1, tf.int64), compare)
    return marked_ones(compared)


def marked_ones(marked: tf.data.Dataset) -> tf.data.Dataset:
    """Takes a dataset of (record, () bool whether to keep it); gives the records that are kept."""
    convert_not = tf.autograph.experimental.do_not_convert
    kept = marked.filter(convert_not(lambda record, keep: keep))
    return kept.map(convert_not(lambda record, keep: record))
