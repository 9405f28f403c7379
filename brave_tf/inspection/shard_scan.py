"""Reads a shard record by record, past damaged ones, and its checksum on the way."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Callable, NamedTuple

import tensorflow as tf

from brave_tf import compat
from brave_tf.data.records.index import FOOTER_BYTES, HEADER_BYTES
from brave_tf.data.records.reader import compression_of

_BLOCK = 1 << 20
# A message of protocol buffers is shorter. TensorFlow makes room for the length that a record states, and
# ends the process where there is not so much.
_LONGEST = 1 << 31


class ScannedRecord(NamedTuple):
    """A record as it is stored.

    Attributes:
      position: number of the record in its shard, from 0.
      offset: byte of the shard at which it begins; 0 in a compressed one.
      data: its bytes; None where they are damaged.
      damage: kind of finding when they are, else None.
      detail: what is wrong.
    """

    position: int
    offset: int
    data: bytes | None
    damage: str | None = None
    detail: str = ""


class ShardScan:
    """The records of a shard, read once from the first to the last.

    A record with a wrong checksum is passed over; the reading ends where the shard is cut off, or
    where the length of a record is damaged, for nothing tells where the next one begins.

    Args:
      path: of the shard; whatever TensorFlow can open.
      checksum: whether to compute `sha256`. Its second look at each block finds it in the system's cache.

    Attributes:
      path: of the shard.
      compressed: whether it is.
      size: bytes of the shard.
      sha256: of the shard, hexadecimal, when all records were read and it was asked for.
      num_records: how many were found so far, with damaged ones.

    Raises:
      tf.errors.OpError: the shard cannot be opened.
    """

    def __init__(self, path: str, checksum: bool = True):
        self.path = path
        self.compressed = bool(compression_of(path))
        self._reader = compat.record_reader(path)
        self._checksum = checksum
        self.size = tf.io.gfile.stat(path).length
        self.sha256 = None
        self.num_records = 0

    def __iter__(self) -> Iterator[ScannedRecord]:
        digest = hashlib.sha256()
        records = self._compressed() if self.compressed else self._plain()
        with tf.io.gfile.GFile(self.path, "rb") as file:
            for record, end in records:
                self.num_records += 1
                yield record
                self._hash(digest.update, file, end)
            self._hash(digest.update, file, self.size)
        if self._checksum:
            self.sha256 = digest.hexdigest()

    def _hash(self, update: Callable[[bytes], None], file: tf.io.gfile.GFile, end: int) -> None:
        """Adds the bytes up to `end` to the checksum."""
        while self._checksum and file.tell() < end:
            update(file.read(min(_BLOCK, end - file.tell())))

    def _plain(self) -> Iterator[tuple[ScannedRecord, int]]:
        """Yields the records of a shard that is not compressed, and where the next ones begin."""
        offset = position = 0
        while offset < self.size:
            record, offset = self._read(position, offset)
            position += 1
            yield record, offset

    def _compressed(self) -> Iterator[tuple[ScannedRecord, int]]:
        """Yields what TensorFlow reads of a compressed shard, up to the first damage."""
        records = iter(tf.data.TFRecordDataset(self.path, compression_of(self.path)))
        position = length = 0
        while True:
            try:
                data = next(records).numpy()
                length += HEADER_BYTES + len(data) + FOOTER_BYTES
                yield ScannedRecord(position, 0, data), 0
            except StopIteration:
                if length % 2**32 != self._stated_length():
                    detail = f"the compressed data end early, after record {position - 1}"
                    yield ScannedRecord(position, 0, None, "shard_truncated", detail), 0
                return
            except tf.errors.OpError:
                detail = f"nothing from record {position} on"
                yield ScannedRecord(position, 0, None, "shard_damaged", detail), 0
                return
            position += 1

    def _stated_length(self) -> int:
        """Returns what a gzip file says at its end: bytes of its contents modulo 2^32 (RFC 1952)."""
        with tf.io.gfile.GFile(self.path, "rb") as file:
            file.seek(max(self.size - 4, 0))
            return int.from_bytes(file.read(4), "little")

    def _read(self, position: int, offset: int) -> tuple[ScannedRecord, int]:
        """Reads the record at `offset`; returns it, and where the next one begins."""
        message = ""
        if self._end(offset) - offset > _LONGEST:
            return self._last(position, offset), self.size
        try:
            data, end = self._reader.read(offset)
            return ScannedRecord(position, offset, data), end
        except IndexError:
            end = self.size + 1  # Not even its length is there.
        except tf.errors.DataLossError as error:
            message = error.message
            end = self._end(offset)
        # The error names the byte of what is damaged: the length, or the data after it.
        if re.search(rf"corrupted record at {offset}\b", message):
            return self._last(position, offset), self.size
        if end > self.size:
            detail = f"record {position}, from byte {offset:,}, is cut off at {self.size:,}"
            return ScannedRecord(position, offset, None, "shard_truncated", detail), self.size
        return ScannedRecord(
            position, offset, None, "record_damaged", f"{end - offset:,} bytes"
        ), end

    def _last(self, position: int, offset: int) -> ScannedRecord:
        """Returns what stands for a record whose length is not one, and for all after it."""
        detail = f"nothing after byte {offset:,} of {self.size:,}, record {position}"
        return ScannedRecord(position, offset, None, "shard_damaged", detail)

    def _end(self, offset: int) -> int:
        """Returns where the record at `offset` ends by its own account."""
        with tf.io.gfile.GFile(self.path, "rb") as file:
            file.seek(offset)
            length = int.from_bytes(file.read(HEADER_BYTES)[:8], "little")
        return offset + HEADER_BYTES + length + FOOTER_BYTES


def read_record(path: str, position: int, offset: int) -> bytes:
    """Returns a record that a scan found at that position and offset of a shard."""
    compression = compression_of(path)
    if not compression:
        return compat.record_reader(path).read(offset)[0]
    records = tf.data.TFRecordDataset(path, compression).skip(position)
    return next(iter(records)).numpy()
