"""Fills shards with the records of their clips: the work of every runner."""

from __future__ import annotations

import collections
import dataclasses
import functools
import shutil
import signal
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Callable

from brave_tf import modality_registry as modalities
from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.preparation.clip_encoder import ClipFailure, PreparedClip
from brave_tf.data.preparation.prepared_folder import ClipOutcome, StorageError
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.process import worker_pool

if TYPE_CHECKING:
    from brave_tf.data.preparation.shards import PlannedShard

_SPACE_SAMPLE = 32
Encoder = Callable[[ListedClip, PreparationSettings], "PreparedClip | ClipFailure"]


@dataclasses.dataclass(frozen=True)
class FillJob:
    """What a process must know to fill shards.

    Attributes:
      output: The folder of the shards.
      settings: What decides the records.
      labels: In the order of their index.
      encoder: Makes the contents of a record; must be importable by name in another process.
      timeout: Seconds that a clip may take.
      modalities: Whose fields records may have. A process that is given them knows those of plug-ins.
    """

    output: str
    settings: PreparationSettings
    labels: tuple[str, ...]
    encoder: Encoder
    timeout: float
    modalities: tuple[modalities.Modality, ...]


def fill(job: FillJob, planned: Sequence[PlannedShard], workers: int) -> Iterator[ClipOutcome]:
    """Encodes the clips that shards still lack and adds them; yields what became of each.

    Args:
      job: Common to all shards.
      planned: The shards, in the order in which they are to be filled.
      workers: Number of processes.

    Raises:
      StorageError: The output cannot be written any more.
    """
    from brave_tf.data.preparation import record_writer, shards

    label_index = {label: index for index, label in enumerate(job.labels)}
    opened = collections.deque()

    def clips():
        for shard in planned:
            writer = shards.ShardWriter(job.output, shard)
            if writer.whole:
                writer.close()
                continue
            opened.append(writer)
            yield from shard.clips[writer.done :]

    left = sum(len(shard.clips) - shards.clips_done(job.output, shard) for shard in planned)
    space = _SpaceCheck(job.output, left)
    results = worker_pool.run_in_order(
        functools.partial(job.encoder, settings=job.settings),
        clips(),
        workers=workers,
        timeout=job.timeout,
    )
    try:
        for result in results:
            if isinstance(result, PreparedClip):
                stored = record_writer.stored_of(result, job.settings, job.modalities)
                seconds = result.end - result.clip.start
                held = modalities.held_in({field for each in stored for field in each.sequences})
                outcome = ClipOutcome(held, seconds, warnings=result.warnings)
                record = record_writer.serialize_stored(result, stored, label_index)
                space.add(len(record))
            else:
                outcome, record = ClipOutcome(failure=tuple(failure(result))), None
            opened[0].add(outcome, record)
            if opened[0].whole:
                opened.popleft().close()
            yield outcome
    finally:
        results.close()
        for writer in opened:
            writer.close()


def failure(
    result: ClipFailure | worker_pool.Died | worker_pool.TimedOut,
) -> ClipFailure:
    """Returns why a clip gave no record."""
    if isinstance(result, worker_pool.TimedOut):
        return ClipFailure(
            "timeout", f"took longer than {result.seconds:g} s; --timeout allows more"
        )
    if isinstance(result, worker_pool.Died):
        code = result.exit_code
        name = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return ClipFailure("crash", f"ended the process that was decoding it ({name})")
    return result


class _SpaceCheck:
    """Compares what the first records took with what is left, before hours of work are in vain."""

    def __init__(self, folder, total):
        self._folder, self._total = folder, total
        self._records = self._bytes = 0

    def add(self, size):
        self._records += 1
        self._bytes += size
        if self._records != _SPACE_SAMPLE:
            return
        usage = shutil.disk_usage(self._folder)
        need = self._bytes / self._records * (self._total - self._records)
        if usage.total and need > usage.free:
            raise StorageError(
                f"{self._folder}: the other {self._total - self._records} clips need about "
                f"{need / 1e9:.1f} GB, {usage.free / 1e9:.1f} GB are free. Make room and run the same "
                "command again: it goes on here. Or prepare into another folder."
            )
