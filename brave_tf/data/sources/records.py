"""The source that is a folder of clip records."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from brave_tf.data.records import index as record_index
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.reader import Clip, compression_of, has_fields, parse_clip, parse_text
from brave_tf.data.records.shard_names import find_shards
from brave_tf.data.records.splits import Shard
from brave_tf.data.sources import record_checks
from brave_tf.data.sources.base import Source, Stream, register_source
from brave_tf.data.sources.clip_rows import ClipRows
from brave_tf.data.sources.record_rows import record_rows
from brave_tf.data.sources.record_stream import Record, RecordStream
from brave_tf.data.views.base import View
from brave_tf.process.progress import Progress


@register_source
class Records(Source):
    """Clip records, written by `brave_tf_prepare` or by DMVR; see `DatasetInfo`."""

    def __init__(self, info: DatasetInfo):
        self.location = info.data_dir
        self.label_names = info.labels
        self.split_names = tuple(info.splits)
        self._info = info

    @classmethod
    def accepts(cls, location: str) -> bool:
        described = tf.io.gfile.exists(os.path.join(location, "dataset.json"))
        return described or bool(find_shards(location))

    @classmethod
    def open(cls, location: str) -> Records:
        return cls(DatasetInfo.load(location))

    def check(self, split: str, views: Mapping[str, View]) -> None:
        record_checks.check(self._info, split, views)

    def stream(
        self, split: str, views: Mapping[str, View], num_pipelines: int = 1, pipeline: int = 0
    ) -> RecordClips:
        return RecordClips(RecordStream.open(self._info, split, views, num_pipelines, pipeline))

    def rows(
        self, split: str, views: Mapping[str, View], part: tuple[int, bool] | None = None
    ) -> ClipRows:
        stream = RecordStream.open(self._info, split, views)
        return record_rows(stream if part is None else stream.part(*part), split)

    def labels(self, split: str, view: View) -> np.ndarray:
        chosen = self._info.split(split)
        wanted = self._info.stored_fields(view.fields)
        files = self.files(split)
        indexed = record_index.have_indexes(files, wanted)
        files = [*map(record_index.path_of, files)] if indexed else files
        has = record_index.has_fields if indexed else has_fields

        def label(record: tf.Tensor) -> tf.Tensor:
            usable = has(record, wanted)
            return tf.where(usable, parse_clip(record, ()).label, tf.constant(-1, tf.int64))

        records = tf.data.TFRecordDataset(files, compression_of(files[0]))
        records = records.map(label, tf.data.AUTOTUNE).ignore_errors(log_warning=True)
        labels = []
        with Progress(chosen.clips, f"labels of {split}") as progress:
            for value in records.as_numpy_iterator():
                labels.append(value)
                progress.add()
        return np.array(labels, np.int64)

    def num_clips(self, split: str) -> int | None:
        return self._info.split(split).clips

    def files(self, split: str) -> list[str]:
        return [shard.path for shard in self._info.split(split).shards]

    def version(self, split: str) -> str:
        shards = [(os.path.basename(s.path), *_content(s)) for s in self._info.split(split).shards]
        return repr((shards, self.label_names, sorted(self._info.settings.items())))


def _content(shard: Shard) -> tuple[int, str | int]:
    """Returns the size of a shard, and its hash, or where none is known for this size, its time of change."""
    stat = tf.io.gfile.stat(shard.path)
    known = shard.sha256 if shard.bytes in (None, stat.length) else None
    return stat.length, known or stat.mtime_nsec


class RecordClips(Stream):
    """The records of one input pipeline; an item is a `Record`."""

    def __init__(self, stream: RecordStream):
        self._stream = stream

    def once(self, seed: int, skip: int = 0) -> tf.data.Dataset:
        return self._stream.once(seed, skip)

    def endless(
        self, seed: int, shuffle_buffer: int, skip: int = 0, whole: int = 1
    ) -> tf.data.Dataset:
        return self._stream.endless(seed, shuffle_buffer, skip, whole)

    def num_items(self) -> int:
        return self._stream.num_items()

    def by_shard(self, seed: int, shuffle_buffer: int, skip: int = 0) -> tf.data.Dataset:
        return self._stream.by_shard(seed, shuffle_buffer, skip)

    def part(self, every: int, held_out: bool) -> RecordClips:
        return RecordClips(self._stream.part(every, held_out))

    def parse(self, item: Record, seed: tf.Tensor | None = None) -> Clip:
        del seed  # There is no choice: a record is one stretch.
        return self._stream.parse(item)

    def describe(self, item: Record) -> Clip:
        return parse_clip(item.serialized, ())

    def group(self, item: Record, field: str | None = None) -> tf.Tensor:
        if field is None:
            return self.describe(item).path
        return parse_text(item.serialized, field)

    def name(self, item: Record) -> str:
        return self._stream.name(item)
