"""Clip records in shards, each written so that an interrupted preparation goes on where it stopped.

A shard grows in a hidden file and gets its name when it is whole. A journal beside it has a line for each
clip that is done; the two are brought in line with each other when the shard is taken up again. Shards know
nothing of each other, so that any process on any machine can write any of them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from brave_tf.data.clips.clip_list import ListedClip, shuffled
from brave_tf.data.preparation.prepared_folder import ClipOutcome, StorageError
from brave_tf.data.records import index as record_index
from brave_tf.storage import files
from brave_tf.storage.locks import locked

CLIPS_PER_SHARD = 256


class PlannedShard(NamedTuple):
    """A shard to be written: its split, its file name, and its clips in order."""

    split: str
    file: str
    clips: list[ListedClip]


def plan(clips: Sequence[ListedClip], num_shards: int, seed: int) -> list[PlannedShard]:
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
            shards.append(PlannedShard(split, file, ordered[bounds[index] : bounds[index + 1]]))
    return shards


def clips_done(folder: str, shard: PlannedShard) -> int:
    """Returns how many clips of a shard are done, as far as can be told without reading it."""
    if os.path.isfile(os.path.join(folder, shard.file)):
        return len(shard.clips)
    with contextlib.suppress(FileNotFoundError), open(_journal(folder, shard), "rb") as journal:
        return min(sum(line.endswith(b"\n") for line in journal), len(shard.clips))
    return 0


def read_whole(folder: str, shard: PlannedShard) -> tuple[dict[str, Any], list[ClipOutcome]] | None:
    """Returns `file`, `clips`, `bytes` and `sha256` of a shard, and what became of each of its clips.

    None while it is not whole.
    """
    outcomes, entry = _read_journal(_journal(folder, shard))
    path = os.path.join(folder, shard.file)
    if len(outcomes) < len(shard.clips) or not os.path.isfile(path):
        return None
    entry = entry or _describe(path, outcomes)
    return (entry, outcomes) if entry["bytes"] == os.path.getsize(path) else None


class ShardWriter:
    """Takes the records of the clips of a shard in their order; a context manager.

    It waits for another process that is writing the same shard, and then goes on where that one stopped.

    Attributes:
      whole: The shard is complete and has its name.
    """

    def __init__(self, folder: str, shard: PlannedShard):
        """Takes up what there is of the shard in `folder`, which exists.

        Raises:
          StorageError: The disk does not take it.
        """
        self._shard = shard
        self._path = os.path.join(folder, shard.file)
        self._partial = os.path.join(folder, f".{shard.file}.partial")
        self._journal_path = _journal(folder, shard)
        self._writer = self._journal = None
        self._outcomes = []
        self._index = record_index.Entries()
        with _storing(), contextlib.ExitStack() as stack:
            stack.enter_context(locked(os.path.join(folder, f".{shard.file}.lock")))
            self.whole = read_whole(folder, shard) is not None
            if not self.whole:
                self._take_up()
            self._stack = stack.pop_all()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def done(self) -> int:
        """Clips of the shard whose outcome is stored."""
        return len(self._shard.clips) if self.whole else len(self._outcomes)

    def close(self) -> None:
        """Lets go of the shard, whole or not."""
        with self._stack:
            if self._journal is not None:
                self._journal.close()
            if self._writer is not None:
                with contextlib.suppress(tf.errors.OpError):
                    self._writer.close()

    def add(self, outcome: ClipOutcome, record: bytes | None) -> None:
        """Stores the outcome of the next clip and, unless it failed, its record.

        Raises:
          StorageError: The disk does not take it.
        """
        with _storing():
            if record is not None:
                self._writer.write(record)
                self._writer.flush()
                self._index.add(record)
            self._note(outcome._asdict())
            self._outcomes.append(outcome)
            self._finish_if_done()

    def _take_up(self):
        """Opens the unfinished file, with the records that both it and the journal have."""
        outcomes, _ = _read_journal(self._journal_path)
        old = self._partial + ".old"
        if os.path.exists(self._partial) and not os.path.exists(old):
            os.replace(self._partial, old)
        self._writer = tf.io.TFRecordWriter(self._partial)
        records = _records(old) if os.path.exists(old) else iter(())
        for outcome in outcomes:
            if outcome.failure is None:
                record = next(records, None)
                if record is None:
                    break
                self._writer.write(record)
                self._index.add(record)
            self._outcomes.append(outcome)
        self._writer.flush()
        self._write_journal()
        with contextlib.suppress(FileNotFoundError):
            os.remove(old)
        self._finish_if_done()

    def _finish_if_done(self):
        """Gives the shard its name, beside an index, when all its clips are done."""
        if len(self._outcomes) < len(self._shard.clips):
            return
        self._writer.close()
        self._writer = None
        self._index.write(self._path)
        entry = {**_describe(self._partial, self._outcomes), "file": self._shard.file}
        os.replace(self._partial, self._path)
        self._note({"shard": entry})
        self.whole = True

    def _write_journal(self):
        path = self._journal_path
        with files.replacing(path) as aside, open(aside, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(outcome._asdict()) + "\n" for outcome in self._outcomes)
        self._journal = open(path, "a", encoding="utf-8")  # noqa: SIM115 closed by __exit__

    def _note(self, entry):
        self._journal.write(json.dumps(entry) + "\n")
        self._journal.flush()


def _journal(folder, shard):
    return os.path.join(folder, f".{shard.file}.journal")


def _read_journal(path):
    outcomes, shard = [], None
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as journal:
        for line in journal:
            # The last line may have been cut short.
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if "shard" in entry:
                    shard = entry["shard"]
                else:
                    outcomes.append(
                        ClipOutcome(
                            tuple(entry["modalities"]),
                            entry["seconds"],
                            entry["failure"] and tuple(entry["failure"]),
                            tuple(entry.get("warnings", ())),
                        )
                    )
    return outcomes, shard


def _records(path):
    with contextlib.suppress(tf.errors.DataLossError):
        yield from tf.data.TFRecordDataset(path).as_numpy_iterator()


def _describe(path, outcomes):
    files.flush(path)
    return {
        "file": os.path.basename(path),
        "clips": sum(outcome.failure is None for outcome in outcomes),
        "bytes": os.path.getsize(path),
        "sha256": files.sha256_of(path),
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
