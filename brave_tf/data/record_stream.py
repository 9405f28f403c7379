"""In which order clip records are read, and from where a resumed run goes on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

import tensorflow as tf

from brave_tf.data.dataset_info import DatasetInfo
from brave_tf.data.record_reader import has_fields
from brave_tf.data.views.base import View
from brave_tf.errors import UserError

CORES = os.cpu_count() or 1
# Shards read side by side. Part of the order of records, so it must not depend on the machine.
_INTERLEAVED_SHARDS = 8


@dataclasses.dataclass(frozen=True)
class RecordStream:
    """The records of one input pipeline, each with the seed of its clip: (() string, (2,) int32).

    Attributes:
      paths: shards to read.
      fields: sequence fields that a clip must have.
      filtered: whether some records may lack one of `fields`.
      epoch_size: records of one epoch, None when unknown.
      every: of the records read, one in so many is this pipeline's,
      first: beginning with this one.
    """

    paths: tuple[str, ...]
    fields: tuple[str, ...]
    filtered: bool
    epoch_size: int | None
    every: int = 1
    first: int = 0

    @classmethod
    def open(
        cls,
        info: DatasetInfo,
        split: str,
        views: Mapping[str, View],
        num_pipelines: int = 1,
        pipeline: int = 0,
    ) -> RecordStream:
        """Finds the share of `pipeline`: its own shards, or its own records of all when shards are few.

        Raises:
          UserError: the share has no clip that can be read and has what the views need.
        """
        chosen = info.split(split)
        fields = {field: None for view in views.values() for field in info.stored_fields(view)}
        with_all = chosen.count_with({view.modality for view in views.values()})
        filtered = with_all is None or with_all < chosen.clips
        own_shards = len(chosen.shards) >= num_pipelines
        shards = chosen.shards[pipeline::num_pipelines] if own_shards else chosen.shards
        first, every = (0, 1) if own_shards else (pipeline, num_pipelines)
        counted = not filtered and all(shard.clips is not None for shard in shards)
        if num_pipelines == 1:
            epoch_size = with_all
        elif counted:
            epoch_size = len(range(first, sum(shard.clips for shard in shards), every))
        else:
            epoch_size = None
        paths = tuple(shard.path for shard in shards)
        stream = cls(paths, tuple(fields), filtered, epoch_size, every, first)
        # An empty epoch would be followed by the next for ever.
        if next(iter(stream.once(0).take(1)), None) is None:
            raise UserError(
                f"input pipeline {pipeline} of {num_pipelines} finds no clip for the views in its share "
                f"of the {len(chosen.shards)} shards of split {split!r} in {info.data_dir}: use fewer "
                "pipelines, or prepare more shards."
            )
        return stream

    def once(self, seed: int, skip: int = 0) -> tf.data.Dataset:
        """Reads all records in the order of the shards, without the first `skip`."""
        records = self._keep(
            tf.data.TFRecordDataset(list(self.paths)).ignore_errors(log_warning=True)
        )
        return _with_seeds(records, _epoch_seeds(seed, tf.constant(0, tf.int64))[2]).skip(skip)

    def endless(self, seed: int, shuffle_buffer: int, skip: int = 0) -> tf.data.Dataset:
        """Reads epoch after epoch, each shuffled in its own way, from the position `skip`.

        Whole epochs are not read to be skipped when `epoch_size` is known.
        """
        first_epoch, rest = divmod(skip, self.epoch_size) if self.epoch_size else (0, skip)

        @tf.autograph.experimental.do_not_convert
        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            # The seed of `shuffle` is mixed with this graph's, which would be the process's global seed.
            tf.random.set_seed(1)
            shard_seed, buffer_seed, clip_seed = _epoch_seeds(seed, number)
            order = tf.random.experimental.stateless_shuffle(list(self.paths), shard_seed)
            records = tf.data.Dataset.from_tensor_slices(order).interleave(
                lambda path: tf.data.TFRecordDataset(path).ignore_errors(log_warning=True),
                cycle_length=min(_INTERLEAVED_SHARDS, len(self.paths)),
                num_parallel_calls=min(CORES, _INTERLEAVED_SHARDS, len(self.paths)),
                deterministic=True,
            )
            records = self._keep(records)
            if shuffle_buffer > 1:
                buffer_seed = tf.cast(buffer_seed[0], tf.int64)
                records = records.shuffle(
                    shuffle_buffer, seed=buffer_seed, reshuffle_each_iteration=False
                )
            if self.epoch_size:
                # A damaged shard gives fewer records than were counted: fill up, so that epochs start
                # where they were said to.
                records = records.repeat().take(self.epoch_size)
            return _with_seeds(records, clip_seed)

        epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
        return epochs.flat_map(epoch).skip(rest)

    def _keep(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Keeps this pipeline's share, and the records that have all fields."""
        if self.every > 1:
            records = records.shard(self.every, self.first)
        if not self.filtered:
            return records

        @tf.autograph.experimental.do_not_convert
        def usable(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return record, has_fields(record, self.fields)

        records = records.map(usable, CORES, deterministic=True)
        records = records.ignore_errors(log_warning=True)
        return records.filter(lambda record, keep: keep).map(lambda record, keep: record)


def _epoch_seeds(seed: int, epoch: tf.Tensor) -> list[tf.Tensor]:
    """Returns three (2,) int32 seeds: for the order of shards, the shuffle buffer, and the clips."""
    base = tf.constant([seed & 0x7FFFFFFF, (seed >> 31) & 0x7FFFFFFF], tf.int32)
    mine = tf.random.experimental.stateless_fold_in(base, epoch)
    return tf.unstack(tf.random.experimental.stateless_split(mine, 3))


def _with_seeds(records: tf.data.Dataset, seed: tf.Tensor) -> tf.data.Dataset:
    @tf.autograph.experimental.do_not_convert
    def add_seed(position: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return record, tf.random.experimental.stateless_fold_in(seed, position)

    return records.enumerate().map(add_seed)
