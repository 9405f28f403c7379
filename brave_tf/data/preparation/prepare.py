"""Turns media files into a folder of clip records."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shutil
import signal
from typing import Callable, NamedTuple

from brave_tf import quiet
from brave_tf.data.preparation import clip_encoder, clip_list, prepared_folder, worker_pool
from brave_tf.data.preparation.clip_encoder import ClipFailure, PreparedClip
from brave_tf.data.preparation.clip_list import Clip
from brave_tf.data.preparation.prepared_folder import Outcome, StorageError
from brave_tf.data.preparation.settings import Settings
from brave_tf.progress import Progress

_SPACE_SAMPLE = 32
Encoder = Callable[[Clip, Settings], "PreparedClip | ClipFailure"]


class Report(NamedTuple):
    """Numbers of clips and shards in a prepared folder; `complete_before` when there was nothing to do."""

    written: int
    failed: int
    shards: int
    complete_before: bool


def prepare(
    source: str,
    output: str,
    settings: Settings,
    *,
    workers: int = 0,
    timeout: float = 0.0,
    encoder: Encoder = clip_encoder.try_encode,
) -> Report:
    """Prepares the clips of `source` in `output`, or goes on with that where it was interrupted.

    Leaves `<split>-00000-of-0000N.tfrecord`, `labels.txt`, `failures.csv` and `dataset.json`; without a
    single record, `failures.csv` alone. The same source and settings give the same bytes, whatever the
    workers and interruptions.

    Args:
      source: A folder or a CSV, see `clip_list.read_clips`.
      output: A folder; made when missing.
      settings: What decides the records.
      workers: Number of processes; 0 is one per core.
      timeout: Seconds that a clip may take; 0 is 300, or 7200 with TV-L1, which takes seconds a frame.
      encoder: Makes the contents of a record; must be importable by name in another process.

    Raises:
      UserError: The source is unusable, or the output belongs to another preparation.
      StorageError: The output cannot be written any more.
    """
    clips = clip_list.read_clips(
        source, settings.label_column, settings.split_column, settings.label_separator
    )
    clips = clip_list.move_to_test(clips, settings.test_fraction, settings.seed)
    identity = {
        "settings": dataclasses.asdict(settings),
        "input": prepared_folder.fingerprint(clips),
    }
    timeout = timeout or (7200.0 if settings.flow == "tvl1" else 300.0)
    work = functools.partial(
        worker_pool.run_in_order,
        functools.partial(encoder, settings=settings),
        workers=workers or os.cpu_count() or 1,
        timeout=timeout,
    )
    with prepared_folder.claimed(output):
        dataset = prepared_folder.completed(output, identity)
        if dataset is not None:
            return _report(dataset, complete_before=True)
        return _prepare(clips, output, settings, identity, work)


def _prepare(clips, output, settings, identity, run):
    outcomes = [_missing(clip) for clip in clips]
    present = [clip for clip in clips if clip.size is not None]
    files = []
    if present:
        # TensorFlow takes seconds to import, and what was checked so far does not need it.
        quiet.load_tensorflow()
        from brave_tf.data.preparation import shards

        planned = shards.plan(present, settings.num_shards, settings.seed)
        with shards.ShardStore(output, planned, identity) as store:
            _fill(store, run, settings, output, _labels(clips))
        position = {id(clip): index for index, clip in enumerate(clips)}
        ordered = [clip for shard in planned for clip in shard.clips]
        for clip, outcome in zip(ordered, store.outcomes):
            outcomes[position[id(clip)]] = outcome
        files = [(shard.split, file) for shard, file in zip(planned, store.files)]
    prepared_folder.write_failures(output, clips, outcomes)
    if all(outcome.failure is not None for outcome in outcomes):
        if present:
            store.discard()
        return Report(0, len(clips), 0, False)
    dataset = prepared_folder.write_summary(
        output, identity, _labels(clips), clips, outcomes, files
    )
    store.forget_journal()
    return _report(dataset, complete_before=False)


def _fill(store, run, settings, output, labels):
    """Encodes the clips that the store still lacks, and adds them."""
    from brave_tf.data.preparation.records import serialize_clip

    label_index = {label: index for index, label in enumerate(labels)}
    clips = list(store.remaining())
    space = _SpaceCheck(output, len(clips))
    results = run(clips)
    progress = Progress(store.total, "preparing", done=len(store.outcomes))
    with contextlib.closing(results), progress:
        for clip, result in zip(clips, results):
            if isinstance(result, PreparedClip):
                record = serialize_clip(result, settings, label_index)
                store.add(_outcome(clip, result), record)
                space.add(len(record))
            else:
                store.add(Outcome(failure=tuple(_failure(result))), None)
            progress.add(failed=int(not isinstance(result, PreparedClip)))


def _outcome(clip, prepared):
    parts = {
        "rgb": prepared.frames,
        "flow": prepared.flow,
        "audio": prepared.flac if prepared.audio is None else prepared.audio,
    }
    modalities = tuple(name for name, part in parts.items() if part is not None)
    return Outcome(modalities, prepared.end - clip.start)


def _failure(result):
    if isinstance(result, worker_pool.TimedOut):
        return ClipFailure(
            "timeout", f"took longer than {result.seconds:g} s; --timeout allows more"
        )
    if isinstance(result, worker_pool.Died):
        code = result.exit_code
        name = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return ClipFailure("crash", f"ended the process that was decoding it ({name})")
    return result


def _missing(clip):
    if clip.size is not None:
        return Outcome()
    reason = "is not a file" if os.path.exists(clip.file) else "does not exist"
    return Outcome(failure=("find", reason))


def _labels(clips):
    return sorted({label for clip in clips for label in clip.labels})


def _report(dataset, complete_before):
    splits = dataset["splits"].values()
    return Report(
        written=sum(split["clips"] for split in splits),
        failed=dataset["failures"],
        shards=sum(len(split["shards"]) for split in splits),
        complete_before=complete_before,
    )


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
