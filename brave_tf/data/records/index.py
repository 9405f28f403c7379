"""The index of a shard: where in it the frames and the sound of each record are.

With it a clip is made from the frames that its views show; without, from a record that is read whole. The
index of `DIR/NAME` is `DIR/index/NAME`, a TFRecord file with one `tf.train.Example` for each record: the
context of the record as it is, and 'index/FIELD' for each of SEQUENCE_FIELDS, with first byte, bytes and
fingerprint of each value.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from brave_tf import files
from brave_tf.data.records import fields
from brave_tf.data.records import reader as record_reader
from brave_tf.data.records.reader import SEQUENCE_FIELDS, Clip, context_fields
from brave_tf.data.records.stored_values import COLUMNS, StoredValues, fingerprints

FOLDER = "index"
# Of a TFRecord: its length (8, little endian) and a checksum (4) before its data, one (4) after.
HEADER_BYTES, FOOTER_BYTES = 12, 4
_LENGTH_DELIMITED = 2
_CONTEXT, _LISTS = 1, 2  # Of a SequenceExample.
_KEY, _VALUE = 1, 2  # Of an entry of a map.


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
    return paths <= {
        os.path.join(folder, name) for folder in folders for name in os.listdir(folder)
    }


def entry(record: bytes, offset: int) -> bytes:
    """Returns the entry of a record in the index.

    Args:
      record: a serialized `tf.train.SequenceExample`.
      offset: of its first byte in the shard.

    Raises:
      ValueError: the record keeps its sound in a way that cannot be read without parsing it, or is none.
    """
    view = memoryview(record)
    example = tf.train.Example()
    try:
        for field, start, end in _parts(view, 0, len(view)):
            if field == _CONTEXT:
                example.features.MergeFromString(bytes(view[start:end]))
            elif field == _LISTS:
                _add_lists(example.features, view, start, end, offset)
    except (DecodeError, KeyError) as error:
        raise ValueError(f"no SequenceExample: {error}") from error
    return example.SerializeToString(deterministic=True)


def _add_lists(
    features: tf.train.Features, view: memoryview, start: int, end: int, offset: int
) -> None:
    for _, map_start, map_end in _parts(view, start, end):
        parts = {part: place for part, *place in _parts(view, map_start, map_end)}
        name = bytes(view[slice(*parts[_KEY])]).decode()
        if name in SEQUENCE_FIELDS and _VALUE in parts:
            rows = _rows(view, list(_values(view, *parts[_VALUE])), offset)
            features.feature[_key(name)].int64_list.value[:] = rows


def _rows(view: memoryview, places: Sequence[tuple[int, int]], offset: int) -> np.ndarray:
    values = [view[start:end].tobytes() for start, end in places]
    starts = np.array([start for start, _ in places], np.int64) + offset
    lengths = np.array([len(value) for value in values], np.int64)
    marks = fingerprints(tf.constant(values, tf.string)).numpy()
    return np.stack([starts, lengths, marks], axis=1).ravel()


def _values(view: memoryview, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yields where the values of a `tf.train.FeatureList` are: strings, or arrays of float32."""
    for _, feature_start, feature_end in _parts(view, start, end):
        for _, list_start, list_end in _parts(view, feature_start, feature_end):
            for _, value_start, value_end in _parts(view, list_start, list_end):
                yield value_start, value_end


def _parts(view: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yields number, start and end of the fields of a message, all of which have to have a length."""
    while start < end:
        tag, start = _varint(view, start)
        if tag & 7 != _LENGTH_DELIMITED:
            raise ValueError(f"a field of wire type {tag & 7} at byte {start}")
        length, start = _varint(view, start)
        if start + length > end:
            raise ValueError(f"a field of {length} bytes at byte {start} of a message up to {end}")
        yield tag >> 3, start, start + length
        start += length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(view) and view[at] >= 0x80:
        value |= (view[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    if at == len(view):
        raise ValueError("a number that does not end")
    return value | view[at] << shift, at + 1


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
    return record_reader.make_clip(context, values)


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
