"""Fills shards on the machines of an Apache Beam pipeline.

An element of the pipeline is a shard: its worker encodes and writes all of it, so that no record travels
between machines. What became of the clips is in the journals of the shards, as with the other runner. Workers
and the process that starts the pipeline see input and output under the same paths.
"""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.preparation import shards
from brave_tf.data.preparation.filling import FillJob, fill
from brave_tf.data.preparation.prepared_folder import PLAN, StorageError
from brave_tf.data.preparation.shards import PlannedShard
from brave_tf.errors import ArgumentError
from brave_tf.process.progress import Progress

_WATCH_EVERY = 5.0


def run(
    job: FillJob, planned: Sequence[PlannedShard], workers: int, options: Sequence[str]
) -> None:
    """Fills the shards that are not whole.

    Args:
      job: Common to all shards.
      planned: The shards.
      workers: Shards at a time when `options` leave it to Beam's local runner.
      options: Command-line options of the pipeline. Without a runner, or with the DirectRunner, it runs
        on this machine.

    Raises:
      UserError: The options are not usable.
      StorageError: The pipeline failed; what was finished is kept.
    """
    pipeline = _pipeline(workers, options)
    offsets = _write_plan(job.output, planned)
    shards_to_fill = pipeline | "Shards" >> beam.Create(offsets, reshuffle=True)
    _ = shards_to_fill | "Fill" >> beam.ParDo(_FillShard(job))
    with _watched(job.output, planned):
        try:
            state = pipeline.run().wait_until_finish()
        except KeyboardInterrupt:
            # What still runs on this machine is about to fail, and would say so at length.
            logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
            raise
        except Exception as error:  # Runners raise whatever they like.
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise StorageError(
                f"the Beam pipeline failed: {reason[-1]}. What was finished is kept: run the same "
                "command again to go on."
            ) from error
    missing = [s for s in planned if not os.path.isfile(os.path.join(job.output, s.file))]
    if missing:
        raise StorageError(
            f"the Beam pipeline ended as {state} without {len(missing)} of {len(planned)} shards: run the "
            "same command again to go on."
        )


class _FillShard(beam.DoFn):
    """Fills the shard whose line of the plan begins at a byte."""

    def __init__(self, job: FillJob):
        self._job = job

    def process(self, offset: int) -> tuple[()]:
        shard = _read_plan(self._job.output, offset)
        if not any(os.path.isfile(clip.file) for clip in shard.clips):
            raise FileNotFoundError(
                f"no file of {shard.file} is there, such as {shard.clips[0].file}: all workers of the "
                "pipeline must see the input under the path of the machine that started it"
            )
        collections.deque(fill(self._job, [shard], workers=1), maxlen=0)
        return ()


def _pipeline(workers, options):
    try:
        parsed = PipelineOptions(list(options))
        runner = parsed.view_as(StandardOptions).runner
        if runner in (None, "DirectRunner"):
            # Newer versions of Beam let the DirectRunner download a program first.
            local = ["--direct_running_mode=multi_threading", f"--direct_num_workers={workers}"]
            return beam.Pipeline(FnApiRunner(), options=PipelineOptions([*local, *options]))
        return beam.Pipeline(options=parsed)
    except (ValueError, ImportError, AttributeError) as error:
        raise ArgumentError("beam_options", " ".join(options), f"{error}.") from error


def _write_plan(folder, planned):
    """Writes a line for each shard; returns the bytes at which those of unfinished shards begin."""
    offsets = []
    with open(os.path.join(folder, PLAN), "wb") as file:
        for shard in planned:
            if shards.read_whole(folder, shard) is None:
                offsets.append(file.tell())
                line = [shard.split, shard.file, [vars(clip) for clip in shard.clips]]
                file.write(json.dumps(line).encode() + b"\n")
    return offsets


def _read_plan(folder, offset):
    with open(os.path.join(folder, PLAN), "rb") as file:
        file.seek(offset)
        split, name, clips = json.loads(file.readline())
    return PlannedShard(split, name, [_clip(**values) for values in clips])


def _clip(labels, cells, **others):
    return ListedClip(labels=tuple(labels), cells=tuple(map(tuple, cells)), **others)


@contextlib.contextmanager
def _watched(folder: str, planned: Sequence[PlannedShard]) -> Iterator[None]:
    """Shows how many clips are done while the pipeline runs."""
    total = sum(len(shard.clips) for shard in planned)
    done = sum(shards.clips_done(folder, shard) for shard in planned)
    stop = threading.Event()

    def watch():
        shown = done
        with Progress(total, "preparing", done=done) as progress:
            while not stop.wait(_WATCH_EVERY):
                now = sum(shards.clips_done(folder, shard) for shard in planned)
                if now > shown:
                    progress.add(now - shown)
                    shown = now

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
