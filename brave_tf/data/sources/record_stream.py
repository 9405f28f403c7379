"""In which order clip records are read, and from where a resumed run goes on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from brave_tf.data.records import index as record_index
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.modalities import MissingModalityError
from brave_tf.data.records.reader import Clip, has_fields, parse_clip
from brave_tf.data.records.shard_reader import (
    Record,
    compression_of_all,
    marked_ones,
    read_counted,
    read_uncounted,
)
from brave_tf.data.records.splits import Shard
from brave_tf.data.sources.attempts import map_or_else
from brave_tf.data.sources.epochs import epoch_seeds, shuffle, thin_out, with_seeds
from brave_tf.data.views.base import View
from brave_tf.errors import ArgumentError, UserError

CORES = os.cpu_count() or 1
# Shards read side by side. Part of the order of records, so it must not depend on the machine.
_INTERLEAVED_SHARDS = 8


@dataclasses.dataclass(frozen=True)
class RecordStream:
    """The records of one input pipeline, each with the seed of its clip: (Record, (2,) int32).

    The seed depends on the record and the epoch, not on the order in which records come.

    Attributes:
      shards: all shards of the split.
      own: numbers of those that are read here.
      fields: sequence fields that a clip must have.
      filtered: whether some records may lack one of `fields`.
      epoch_size: records of one epoch, None when unknown.
      compression: of the shards, see `compression_of`.
      indexed: whether the indexes of the shards are read in their place, see `records.index`.
      every: of the records read, one in so many is this pipeline's,
      first: beginning with this one.
      kept: (n, held_out): only one record in n is read, or all but those; None for all.
    """

    shards: tuple[Shard, ...]
    own: tuple[int, ...]
    fields: tuple[str, ...]
    filtered: bool
    epoch_size: int | None
    compression: str = ""
    indexed: bool = False
    every: int = 1
    first: int = 0
    kept: tuple[int, bool] | None = None

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
        fields = {
            field: None for view in views.values() for field in info.stored_fields(view.fields)
        }
        with_all = chosen.count_with({view.modality for view in views.values()})
        filtered = with_all is None or with_all < chosen.clips
        own_shards = len(chosen.shards) >= num_pipelines
        first, every = (0, 1) if own_shards else (pipeline, num_pipelines)
        own = tuple(range(len(chosen.shards)))
        own = own[pipeline::num_pipelines] if own_shards else own
        counts = [chosen.shards[number].clips for number in own]
        if num_pipelines == 1:
            epoch_size = with_all
        elif not filtered and None not in counts:
            epoch_size = len(range(first, sum(counts), every))
        else:
            epoch_size = None
        stream = cls(
            shards=chosen.shards,
            own=own,
            fields=tuple(fields),
            filtered=filtered,
            epoch_size=epoch_size,
            compression=compression_of_all([shard.path for shard in chosen.shards]),
            indexed=record_index.have_indexes([shard.path for shard in chosen.shards], fields),
            every=every,
            first=first,
        )
        if stream._is_empty():
            if filtered and num_pipelines == 1:
                wanted = ", ".join(sorted({view.modality for view in views.values()}))
                raise MissingModalityError(
                    f"no clip of split {split!r} in {info.data_dir} that can be read has all of {wanted}. "
                    "Take views out of the recipe.",
                    info.held(split),
                )
            raise UserError(
                f"input pipeline {pipeline} of {num_pipelines} finds no clip for the views in its share "
                f"of the {len(chosen.shards)} shards of split {split!r} in {info.data_dir}: use fewer "
                "pipelines, or prepare more shards."
            )
        return stream

    def part(self, every: int, held_out: bool) -> RecordStream:
        """Keeps one record in `every`, or all but those; which ones they are depends on where they are alone.

        Raises:
          UserError: no clip is left that can be read.
        """
        counts = [(number, self.shards[number].clips) for number in self.own]
        size = None
        # Otherwise it depends on which records lack a field, or on their order.
        if self.epoch_size is not None and not self.filtered and self.every == 1:
            one_in = sum(len(range(-number % every, clips, every)) for number, clips in counts)
            size = one_in if held_out else self.epoch_size - one_in
        stream = dataclasses.replace(self, kept=(every, held_out), epoch_size=size)
        if stream._is_empty():
            raise ArgumentError(
                "every",
                every,
                f"no clip is left to {'measure' if held_out else 'train'} on in {len(self.own)} shards; "
                "choose another number.",
            )
        return stream

    def _is_empty(self) -> bool:
        """Whether nothing can be read: an empty epoch would be followed by the next for ever."""
        readable = self.once(0).filter(lambda record, seed: record.serialized != b"")
        return next(iter(readable.take(1)), None) is None

    def once(self, seed: int, skip: int = 0) -> tf.data.Dataset:
        """Reads all records in the order of the shards, without the first `skip`."""
        _, _, clip_seed = epoch_seeds(seed, tf.constant(0, tf.int64))
        shards = tf.data.Dataset.from_tensor_slices(np.array(self.own, np.int64))
        return _with_seeds(self._keep(shards.flat_map(self._read)), clip_seed).skip(skip)

    def endless(
        self, seed: int, shuffle_buffer: int, skip: int = 0, whole: int = 1
    ) -> tf.data.Dataset:
        """Reads epoch after epoch, each shuffled in its own way; see `Stream.endless`.

        Whole epochs are not read to be skipped when `epoch_size` is known.
        """
        size = kept = self.epoch_size
        if whole > 1:
            size, kept = self._size(), self.num_items() // whole * whole
        first_epoch, rest = divmod(skip, kept) if kept else (0, skip)

        @tf.autograph.experimental.do_not_convert
        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            shard_seed, buffer_seed, clip_seed = epoch_seeds(seed, number)
            order = tf.random.experimental.stateless_shuffle(self._own, shard_seed)
            records = tf.data.Dataset.from_tensor_slices(order).interleave(
                self._read,
                cycle_length=min(_INTERLEAVED_SHARDS, len(self.own)),
                num_parallel_calls=min(CORES, _INTERLEAVED_SHARDS, len(self.own)),
                deterministic=True,
            )
            records = shuffle(self._keep(records), shuffle_buffer, buffer_seed)
            if size:
                # Of damaged records nobody knows whether they had all fields: epochs start where they were
                # said to, whether more or fewer records were kept than have them.
                records = thin_out(records.repeat().take(size), size, kept, buffer_seed)
            return _with_seeds(records, clip_seed)

        epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
        return epochs.flat_map(epoch).skip(rest)

    def by_shard(self, seed: int, shuffle_buffer: int, skip: int = 0) -> tf.data.Dataset:
        """Reads epoch after epoch like `endless`, for several workers that take shards in turns.

        Between them they read every record once per epoch, with the seed that `endless` gives it. Records
        are shuffled within their shard, and shards of large splits are read side by side.

        Args:
          seed: as in `endless`.
          shuffle_buffer: as in `endless`.
          skip: about so many records of the run are left out: those of as many whole shards.
        """
        number = len(self.own)
        # Without counts, as many epochs as were certainly not begun before.
        first = skip * number // self.epoch_size if self.epoch_size else skip * number

        @tf.autograph.experimental.do_not_convert
        def shard(turn: tf.Tensor) -> tf.data.Dataset:
            shard_seed, buffer_seed, clip_seed = epoch_seeds(seed, turn // number)
            shards = tf.random.experimental.stateless_shuffle(self._own, shard_seed)
            records = self._keep(self._read(shards[turn % number]))
            return _with_seeds(shuffle(records, shuffle_buffer, buffer_seed), clip_seed)

        # No more than an eighth of the shards at the same time, so that epochs hardly overlap.
        cycle = max(1, min(_INTERLEAVED_SHARDS, number // 8))
        turns = tf.data.Dataset.range(first, tf.int64.max)
        return turns.interleave(shard, cycle, num_parallel_calls=min(CORES, cycle))

    def num_items(self) -> int:
        """Returns how many records an epoch has, counting them if nobody did.

        Pipelines that share shards have other records in every epoch, and have to begin each one together: it
        is that of the one with the fewest.
        """
        if self.every == 1:
            return self._size()
        # A few shards at most.
        everything = dataclasses.replace(self, every=1, first=0, epoch_size=None)
        return everything.num_items() // self.every

    def _size(self) -> int:
        if self.epoch_size is not None:
            return self.epoch_size
        return int(self.once(0).reduce(tf.constant(0, tf.int64), lambda count, _: count + 1))

    @property
    def _own(self) -> tf.Tensor:
        return tf.constant(self.own, tf.int64)

    def parse(self, record: Record) -> Clip:
        """Reads a record: whole, or what its entry in the index does not hold once it is wanted.

        Raises:
          tf.errors.OpError: when run, if it is damaged.
        """
        present = tf.debugging.Assert(
            record.serialized != b"", ["the shard is damaged or cut short"]
        )
        with tf.control_dependencies([present] if present is not None else []):
            serialized = tf.identity(record.serialized)
        if self.indexed:
            return record_index.parse_clip(serialized, self._path(record.shard), self.fields)
        return parse_clip(serialized, self.fields)

    def name(self, record: Record) -> str:
        """Names a record for messages: its clip and where it is, or its shard if it could not be read."""
        shard = os.path.basename(self.shards[int(record.shard)].path)
        if record.serialized == b"":
            return f"records of {shard}"
        place = f"record {int(record.position)} of {shard}"
        try:
            path = parse_clip(record.serialized, ()).path.numpy().decode(errors="backslashreplace")
        except tf.errors.InvalidArgumentError:
            return place
        return f"{path} ({place})" if path else place

    def _path(self, shard: tf.Tensor) -> tf.Tensor:
        return tf.gather([shard.path for shard in self.shards], shard)

    def _read(self, shard: tf.Tensor) -> tf.data.Dataset:
        """Reads one shard. A damaged one ends with empty records, as many as are missing if that is known."""
        paths = [shard.path for shard in self.shards]
        path = tf.gather([*map(record_index.path_of, paths)] if self.indexed else paths, shard)
        counts = [shard.clips for shard in self.shards]
        if None in counts:
            return read_uncounted(path, shard, self.compression)
        clips = tf.gather(tf.constant(counts, tf.int64), shard)
        return read_counted(path, shard, clips, self.compression)

    def _keep(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Keeps this pipeline's share, without the records that are known to lack a field."""
        if self.kept is not None:
            every, held_out = self.kept
            records = records.filter(
                lambda record: tf.equal((record.shard + record.position) % every == 0, held_out)
            )
        if self.every > 1:
            records = records.shard(self.every, self.first)
        if not self.filtered:
            return records
        has = record_index.has_fields if self.indexed else has_fields

        def usable(record: Record) -> tuple[Record, tf.Tensor]:
            missing = tf.equal(record.serialized, b"")
            return record, missing | has(record.serialized, self.fields)

        def damaged(spec: tuple, record: Record) -> tuple[Record, bool]:
            return record, True

        records = map_or_else(records, usable, damaged, CORES)
        return marked_ones(records)


def _with_seeds(records: tf.data.Dataset, seed: tf.Tensor) -> tf.data.Dataset:
    return with_seeds(records, seed, lambda record: record.shard * 2**32 + record.position)
