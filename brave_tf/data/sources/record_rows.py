"""Which row each record of a split has, see `ClipRows`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from brave_tf.data.records.reader import parse_clip, parse_window
from brave_tf.data.records.shard_reader import MOST_RECORDS, Record
from brave_tf.data.sources.attempts import map_or_else
from brave_tf.data.sources.clip_rows import ClipRows, digest_of, row_table
from brave_tf.data.sources.record_stream import CORES, RecordStream
from brave_tf.process.progress import Progress

_BATCH = 256


def record_rows(stream: RecordStream, split: str) -> ClipRows:
    """Numbers the records of a split in the order in which they are stored.

    Where dataset.json has the number and the hash of the records of all shards, and all have what the views
    need, no record is looked at for it. Otherwise all are, or their entries in indexes.

    Args:
      stream: of all pipelines.
      split: its name, for the progress that is shown.
    """
    known = all(shard.clips is not None and shard.sha256 for shard in stream.shards)
    told = _counted(stream) if known and not stream.filtered else _looked_at(stream, split)
    shards, positions, digest = told
    sizes = [shard.clips for shard in stream.shards]
    if None in sizes:
        sizes = [positions[shards == n].max(initial=-1) + 1 for n in range(len(sizes))]
    offsets = np.cumsum([0, *sizes])
    places = offsets[shards] + positions
    everything = len(places) == offsets[-1]
    table = row_table(offsets[-1], places)

    def of(record: Record) -> tf.Tensor:
        place = tf.gather(offsets, record.shard) + record.position
        if everything:
            return place
        # Records beyond the end stand for a shard that is cut short; no clip is made of them.
        return tf.gather(table, tf.minimum(place, len(table) - 1))

    return ClipRows(len(places), digest, of)


def _counted(stream: RecordStream) -> tuple[np.ndarray, np.ndarray, str]:
    """Returns the shards and positions of the records that are read, and the digest."""
    counts = [shard.clips for shard in stream.shards]
    shards = np.repeat(np.arange(len(counts)), counts)
    positions = np.concatenate([np.arange(count) for count in counts])
    if stream.kept is not None:
        every, held_out = stream.kept
        kept = ((shards + positions) % every == 0) == held_out
        shards, positions = shards[kept], positions[kept]
    hashes = (shard.sha256.encode() for shard in stream.shards)
    return shards, positions, digest_of([*hashes, shards.tobytes(), positions.tobytes()])


def _looked_at(stream: RecordStream, split: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Does what `_counted` does, by what each record says of itself."""

    def describe(record: Record) -> tuple[tf.Tensor, ...]:
        clip = parse_clip(record.serialized, ())
        told = [clip.path, *tf.unstack(tf.strings.as_string(parse_window(record.serialized)))]
        labels = tf.strings.reduce_join(tf.strings.as_string(clip.labels), separator=" ")
        return record.shard, record.position, tf.strings.join([*told, labels], "\n")

    def damaged(spec: tuple, record: Record) -> tuple[tf.Tensor, ...]:
        return record.shard, record.position, tf.constant(b"")

    never = tf.autograph.experimental.do_not_convert
    records = stream.once(0).map(never(lambda record, seed: record))
    found = map_or_else(records, never(describe), damaged, CORES).batch(_BATCH)
    parts = []
    with Progress(stream.epoch_size, f"clips of {split}") as progress:
        for part in found.as_numpy_iterator():
            parts.append(part)
            progress.add(len(part[0]))
    shards, positions, told = (np.concatenate(column) for column in zip(*parts))
    # Of a shard that nobody counted, one record stands for all that is missing.
    there = positions < MOST_RECORDS
    return shards[there], positions[there], digest_of(told[there])
