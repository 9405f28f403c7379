"""The index of a shard: where in it the frames and the sound of each record are.

With it a clip is made from the frames that its views show; without, from a record that is read whole. The
index of `DIR/NAME` is `DIR/index/NAME`, a TFRecord file with one `tf.train.Example` for each record: the
context of the record as it is, and 'index/FIELD' for each of SEQUENCE_FIELDS, with first byte, bytes and
fingerprint of each value.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from brave_tf.data.records import fields, reader
from brave_tf.data.records.reader import SEQUENCE_FIELDS, Clip, context_fields
from brave_tf.data.records.stored_values import COLUMNS, StoredValues, fingerprints
from brave_tf.storage import files

FOLDER = "index"
# Of a TFRecord: its length (8, little endian) and a checksum (4) before its data, one (4) after.
HEADER_BYTES, FOOTER_BYTES = 12, 4


def path_of(shard: str) -> str:
    """Returns the path of the index of a shard."""
    folder, name = os.path.split(shard)
    return os.path.join(folder, FOLDER, name)


def have_indexes(shards: Collection[str], wanted: Collection[str] = ()) -> bool:
    """Whether all shards, files of one folder, have an index of some fields, and are where it is of use.

    Object stores are faster with one long read than with many short ones: for them the answer is no. So it is
    for fields that are no attribute of a clip, which whoever made an index need not have known.
    """
    if not set(wanted) <= set(SEQUENCE_FIELDS):
        return False
    paths = {path_of(shard) for shard in shards}
    folders = {os.path.dirname(path) for path in paths}
    if any("://" in folder or not os.path.isdir(folder) for folder in folders):
        return False
    # A pipe does not count as an index: reading it could take for ever.
    entries = (entry for folder in folders for entry in os.scandir(folder))
    return paths <= {entry.path for entry in entries if entry.is_file()}


def entry(record: bytes, offset: int) -> bytes:
    """Returns the entry of a record in the index.

    Args:
      record: a serialized `tf.train.SequenceExample`.
      offset: of its first byte in the shard.

    Raises:
      ValueError: the record keeps its sound in a way that cannot be read without parsing it, or is none.
    """
    try:
        parsed = tf.train.SequenceExample.FromString(record)
    except DecodeError as error:
        raise ValueError(f"no SequenceExample: {error}") from error
    example = tf.train.Example(features=parsed.context)
    for name, values in parsed.feature_lists.feature_list.items():
        if name in SEQUENCE_FIELDS:
            rows = _rows(record, [_stored(value) for value in values.feature], offset)
            example.features.feature[_key(name)].int64_list.value[:] = rows
    return example.SerializeToString(deterministic=True)


def _stored(feature: tf.train.Feature) -> bytes:
    """Returns the value of one step as it stands in a record: a string, or an array of float32."""
    if feature.HasField("bytes_list"):
        (value,) = feature.bytes_list.value
        return value
    return np.array(feature.float_list.value, "<f4").tobytes()


def _rows(record: bytes, values: Sequence[bytes], offset: int) -> np.ndarray:
    starts, end = [], 0
    for value in values:
        # Whatever has these bytes does: they are what is read.
        start = record.find(value, end)
        if start < 0:
            raise ValueError("a value is not in one piece in the record")
        starts.append(start)
        end = start + len(value)
    lengths = np.array([len(value) for value in values], np.int64)
    marks = fingerprints(tf.constant(values, tf.string)).numpy()
    return np.stack([np.array(starts, np.int64) + offset, lengths, marks], axis=1).ravel()


def _key(field: str) -> str:
    return f"index/{field}"


class Entries:
    """The entries of the records of a shard, collected while it is written or read."""

    def __init__(self):
        self._entries: list[bytes] = []
        self._offset = 0

    def add(self, record: bytes) -> None:
        """Adds the record that follows in the shard, see `entry`."""
        self._entries.append(entry(record, self._offset + HEADER_BYTES))
        self._offset += HEADER_BYTES + len(record) + FOOTER_BYTES

    def match(self, shard: str) -> bool:
        """Whether these are the entries of the index of the shard, which is there."""
        read = tf.data.TFRecordDataset(path_of(shard)).ignore_errors()
        return list(read.as_numpy_iterator()) == self._entries

    def write(self, shard: str) -> None:
        """Writes them as the index of the shard: all of it, or nothing.

        Raises:
          OSError: the disk does not take it; likewise `tf.errors.OpError`.
        """
        with files.replacing(path_of(shard)) as aside:
            writer = tf.io.TFRecordWriter(os.fspath(aside))
            for each in self._entries:
                writer.write(each)
            writer.close()


def make(shard: str) -> None:
    """Makes the index of a shard that is whole and not compressed.

    Raises:
      ValueError: see `entry`.
      OSError: the disk does not take it; likewise `tf.errors.OpError`, and for a damaged shard.
    """
    entries = Entries()
    for record in tf.data.TFRecordDataset(shard).as_numpy_iterator():
        entries.add(record)
    entries.write(shard)


def parse_clip(serialized: tf.Tensor, shard: tf.Tensor, wanted: Collection[str]) -> Clip:
    """Does what `reader.parse_clip` does with a record that has an index.

    Args:
      serialized: () string, its entry.
      shard: () string, path of its shard.
      wanted: the sequence fields to read.

    Returns:
      The clip, with frames and flow as `StoredValues`.

    Raises:
      tf.errors.OpError: when run, if the entry is none, or the sound cannot be read.
    """
    context, places = _parse(serialized, wanted)
    values = {name: StoredValues(shard, rows) for name, rows in places.items()}

    if fields.AUDIO in values:
        pieces = tf.strings.reduce_join(values[fields.AUDIO].read_all())
        values[fields.AUDIO] = tf.io.decode_raw(pieces, tf.float32)
    if fields.AUDIO_FLAC in values:
        values[fields.AUDIO_FLAC] = values[fields.AUDIO_FLAC].read_all()
    return reader.make_clip(context, values)


def has_fields(serialized: tf.Tensor, wanted: Collection[str]) -> tf.Tensor:
    """Returns () bool: whether the record of an entry holds something in every one of the `wanted` fields."""
    _, places = _parse(serialized, wanted)
    return tf.reduce_all([tf.size(rows) > 0 for rows in places.values()])


def _parse(serialized: tf.Tensor, wanted: Collection[str]) -> tuple[dict, dict]:
    names = {name: _key(name) for name in sorted(wanted)}
    context = context_fields()
    features = {name: tf.io.RaggedFeature(dtype) for name, dtype in context.items()}
    features.update({key: tf.io.RaggedFeature(tf.int64) for key in names.values()})
    parsed = tf.io.parse_single_example(serialized, features)
    places = {name: tf.reshape(parsed[key], (-1, COLUMNS)) for name, key in names.items()}
    return {name: parsed[name] for name in context}, places
