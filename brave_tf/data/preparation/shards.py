"""Clip records in shards, written so that an interrupted preparation goes on where it stopped.

A shard grows in a hidden file and gets its name when it is whole. A journal beside it has a line for each
clip that is done; the two are brought in line with each other when a preparation is taken up again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from brave_tf.data.preparation.clip_list import Clip, shuffled
from brave_tf.data.preparation.prepared_folder import JOURNAL, Outcome, StorageError

CLIPS_PER_SHARD = 256


class Shard(NamedTuple):
    """A shard to be written: its split, its file name, and its clips in order."""

    split: str
    file: str
    clips: list[Clip]


def plan(clips: Sequence[Clip], num_shards: int, seed: int) -> list[Shard]:
    """Deals the clips of each split, in a seeded order, to `num_shards` shards of equal size.

    Args:
      clips: All that there are.
      num_shards: Per split, at most one for each clip; 0 gives one for every CLIPS_PER_SHARD clips.
      seed: Of the order.
    """
    shards = []
    for split in sorted({clip.split for clip in clips}):
        ordered = shuffled([clip for clip in clips if clip.split == split], seed)
        count = min(num_shards or -(-len(ordered) // CLIPS_PER_SHARD), len(ordered))
        bounds = [len(ordered) * index // count for index in range(count + 1)]
        for index in range(count):
            file = f"{split}-{index:05d}-of-{count:05d}.tfrecord"
            shards.append(Shard(split, file, ordered[bounds[index] : bounds[index + 1]]))
    return shards


class ShardStore:
    """Takes the records of all clips in the order of the shards; a context manager.

    Attributes:
      total: Clips in all shards.
      outcomes: What became of each clip so far, in order.
      files: Of each whole shard, its `file`, `clips`, `bytes` and `sha256`.
    """

    def __init__(self, folder: str, shards: Sequence[Shard], identity: dict[str, Any]):
        """Opens `folder`; takes up the preparation that its journal tells of.

        Args:
          folder: Exists.
          shards: From `plan`.
          identity: What decides the bytes of the shards; the first line of the journal.
        """
        self._folder = folder
        self._shards = shards
        self._writer = None
        self.total = sum(len(shard.clips) for shard in shards)
        self.outcomes, self.files = [], []
        outcomes, known = _read_journal(self._path(JOURNAL))
        self._restore(outcomes, known, identity)

    def __enter__(self) -> ShardStore:
        return self

    def __exit__(self, *_) -> None:
        self._journal.close()
        if self._writer is not None:
            with contextlib.suppress(tf.errors.OpError):
                self._writer.close()

    def remaining(self) -> Iterator[Clip]:
        """Yields the clips that are still to be added, in order."""
        done = len(self.outcomes)
        for shard in self._shards:
            yield from shard.clips[done:]
            done = max(0, done - len(shard.clips))

    def add(self, outcome: Outcome, record: bytes | None) -> None:
        """Stores the outcome of the next clip and, unless it failed, its record.

        Raises:
          StorageError: The disk does not take it.
        """
        with _storing():
            if record is not None:
                self._writer.write(record)
                self._writer.flush()
            self._note(outcome._asdict())
            self.outcomes.append(outcome)
            self._finish_shards()

    def forget_journal(self) -> None:
        """Removes the journal of a preparation that is complete."""
        os.remove(self._path(JOURNAL))

    def discard(self) -> None:
        """Removes all shards, of a preparation without a single record, and the journal."""
        for file in self.files:
            os.remove(self._path(file["file"]))
        self.forget_journal()

    def _restore(self, outcomes, known, identity):
        """Keeps the whole shards, and of the next one what both journal and file have."""
        for shard in self._shards:
            have = outcomes[len(self.outcomes) :][: len(shard.clips)]
            path = self._path(shard.file)
            if len(have) < len(shard.clips) or not os.path.isfile(path):
                break
            entry = known.get(shard.file) or _describe(path, have)
            if entry["bytes"] != os.path.getsize(path):
                break
            self.outcomes += have
            self.files.append(entry)
        else:
            have = []
        with _storing():
            if len(self.files) < len(self._shards):
                self._begin_shard(have)
            self._write_journal(identity)
            self._finish_shards()

    def _begin_shard(self, outcomes=()):
        """Opens the next shard, with the records of `outcomes` that its unfinished file has."""
        partial = self._partial()
        old = partial + ".old"
        if os.path.exists(partial) and not os.path.exists(old):
            os.replace(partial, old)
        self._writer = tf.io.TFRecordWriter(partial)
        records = _records(old) if os.path.exists(old) else iter(())
        for outcome in outcomes:
            if outcome.failure is None:
                record = next(records, None)
                if record is None:
                    break
                self._writer.write(record)
            self.outcomes.append(outcome)
        self._writer.flush()
        with contextlib.suppress(FileNotFoundError):
            os.remove(old)

    def _finish_shards(self):
        """Gives the current shard its name when all its clips are done, and begins the next."""
        while len(self.files) < len(self._shards):
            ends = sum(len(shard.clips) for shard in self._shards[: len(self.files) + 1])
            if len(self.outcomes) < ends:
                return
            shard = self._shards[len(self.files)]
            self._writer.close()
            self._writer = None
            outcomes = self.outcomes[ends - len(shard.clips) : ends]
            entry = {**_describe(self._partial(), outcomes), "file": shard.file}
            os.replace(self._partial(), self._path(shard.file))
            self._note({"shard": entry})
            self.files.append(entry)
            if len(self.files) < len(self._shards):
                self._begin_shard()

    def _write_journal(self, identity):
        path = self._path(JOURNAL)
        entries = [identity, *({"shard": entry} for entry in self.files)]
        entries += [outcome._asdict() for outcome in self.outcomes]
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in entries)
        os.replace(path + ".new", path)
        self._journal = open(path, "a", encoding="utf-8")  # noqa: SIM115 closed by __exit__

    def _note(self, entry):
        self._journal.write(json.dumps(entry) + "\n")
        self._journal.flush()

    def _path(self, name):
        return os.path.join(self._folder, name)

    def _partial(self):
        return self._path(f".{self._shards[len(self.files)].file}.partial")


def _read_journal(path):
    outcomes, files = [], {}
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as journal:
        next(journal, None)
        for line in journal:
            # The last line may have been cut short.
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if "shard" in entry:
                    files[entry["shard"]["file"]] = entry["shard"]
                else:
                    failure = entry["failure"] and tuple(entry["failure"])
                    outcomes.append(Outcome(tuple(entry["modalities"]), entry["seconds"], failure))
    return outcomes, files


def _records(path):
    with contextlib.suppress(tf.errors.DataLossError):
        yield from tf.data.TFRecordDataset(path).as_numpy_iterator()


def _describe(path, outcomes):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return {
        "file": os.path.basename(path),
        "clips": sum(outcome.failure is None for outcome in outcomes),
        "bytes": os.path.getsize(path),
        "sha256": digest.hexdigest(),
    }


@contextlib.contextmanager
def _storing():
    try:
        yield
    except (tf.errors.OpError, OSError) as error:
        reason = getattr(error, "message", None) or str(error)
        raise StorageError(
            f"cannot write: {reason}. What was finished is kept; make room and run the same command again."
        ) from error
