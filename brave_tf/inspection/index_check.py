"""Makes the index of a shard while it is read, or compares it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import tensorflow as tf

from brave_tf.data.records import index as record_index
from brave_tf.errors import UserError
from brave_tf.inspection.shard_scan import ScannedRecord, ShardScan


class ShardIndex:
    """The records of a shard, whose index is made or compared on the way.

    Args:
      scan: of the shard, which is read once.
      make: whether to make the index; otherwise the one that is there is compared.
    """

    def __init__(self, scan: ShardScan, make: bool):
        self._scan = scan
        self._make = make
        self._there = os.path.isfile(record_index.path_of(scan.path))
        self._entries = None
        if not scan.compressed and (make or self._there):
            self._entries = record_index.Entries()

    def __iter__(self) -> Iterator[ScannedRecord]:
        for record in self._scan:
            self._add(record)
            yield record

    def finish(self) -> str | None:
        """Writes or compares the index, when all records were read; returns the kind of finding, if any.

        Raises:
          UserError: it cannot be written.
        """
        if self._entries is None and self._make:
            return "index_impossible"
        if self._entries is None:
            return None if self._there or self._scan.compressed else "index_missing"
        if not self._make:
            return None if self._entries.match(self._scan.path) else "index_differs"
        try:
            self._entries.write(self._scan.path)
        except (OSError, tf.errors.OpError) as error:
            path = record_index.path_of(self._scan.path)
            raise UserError(
                f"{path} cannot be written ({error}): --index needs room and the right to write beside the "
                "shards; without it nothing is written there."
            ) from error
        return None

    def _add(self, record: ScannedRecord) -> None:
        if self._entries is None:
            return
        try:
            if record.damage:
                raise ValueError(record.detail)
            self._entries.add(record.data)
        except ValueError:
            self._entries = None
