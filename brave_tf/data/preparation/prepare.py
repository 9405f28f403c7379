"""Turns clips of media files into a folder of clip records."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from brave_tf import modality_registry as modalities
from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.preparation import clip_encoder, filling, prepared_folder
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.errors import UserError
from brave_tf.process import startup
from brave_tf.process.progress import Progress


class Report(NamedTuple):
    """Numbers of clips and shards in a prepared folder; `complete_before` when there was nothing to do."""

    written: int
    failed: int
    shards: int
    complete_before: bool
    warned: int = 0


def prepare(
    clips: Sequence[ListedClip],
    output: str,
    settings: PreparationSettings,
    *,
    workers: int = 0,
    timeout: float = 0.0,
    encoder: filling.Encoder = clip_encoder.try_encode,
    beam_options: Sequence[str] | None = None,
) -> Report:
    """Prepares clips in `output`, or goes on with that where it was interrupted.

    Leaves `<split>-00000-of-0000N.tfrecord`, `labels.txt`, `failures.csv` and `dataset.json`, and
    `warnings.csv` if there are any; without a single record, `failures.csv` alone. The same clips and
    settings give the same bytes, whatever the workers, the runner and interruptions.

    Args:
      clips: From `clip_list.read_clips`, or the script of a data set.
      output: A folder; made when missing.
      settings: What decides the records.
      workers: Number of processes; 0 is one per core.
      timeout: Seconds that a clip may take; 0 is 300, or 7200 with TV-L1, which takes seconds a frame.
      encoder: Makes the contents of a record; must be importable by name in another process.
      beam_options: Options of an Apache Beam pipeline that does the work; None does it here.

    Raises:
      UserError: The output belongs to another preparation, or Beam cannot be used.
      StorageError: The output cannot be written any more, or the Beam pipeline failed.
    """
    identity = prepared_folder.identity_of(clips, settings)
    timeout = timeout or (7200.0 if settings.flow == "tvl1" else 300.0)
    labels = tuple(sorted({label for clip in clips for label in clip.labels}))
    folder, every = os.path.abspath(output), modalities.registered()
    job = filling.FillJob(folder, settings, labels, encoder, timeout, every)
    workers = workers or os.cpu_count() or 1
    with prepared_folder.claimed(output):
        dataset = prepared_folder.completed(output, identity)
        if dataset is not None:
            prepared_folder.clean(output)
            return _report(dataset, complete_before=True)
        prepared_folder.begin(output, identity)
        planned = _plan(clips, settings)
        if beam_options is None:
            _run_here(job, planned, workers)
        else:
            _beam_runner().run(job, planned, workers, beam_options)
        return _conclude(clips, planned, job, identity)


def _plan(clips, settings):
    present = [clip for clip in clips if clip.size is not None]
    if not present:
        return []
    # TensorFlow takes seconds to import, and what was checked so far does not need it.
    startup.import_tensorflow()
    from brave_tf.data.preparation import shards

    return shards.plan(present, settings.num_shards, settings.seed)


def _run_here(job, planned, workers):
    if not planned:
        return
    from brave_tf.data.preparation.shards import clips_done

    total = sum(len(shard.clips) for shard in planned)
    done = sum(clips_done(job.output, shard) for shard in planned)
    outcomes = filling.fill(job, planned, workers)
    with contextlib.closing(outcomes), Progress(total, "preparing", done=done) as progress:
        for outcome in outcomes:
            progress.add(failed=int(outcome.failure is not None))


def _beam_runner():
    try:
        from brave_tf.data.preparation import beam_runner
    except ModuleNotFoundError as error:
        if error.name != "apache_beam":
            raise
        raise UserError(
            "the Beam runner needs Apache Beam: pip install 'brave_tf[beam]'."
        ) from error
    return beam_runner


def _conclude(clips, planned, job, identity):
    """Writes the files beside the shards, all of which are whole."""
    splits, failure_of, warned = _summarize(planned, job.output)
    failures = [failure_of.get(id(clip)) or _missing(clip) for clip in clips]
    failed = sum(failure is not None for failure in failures)
    prepared_folder.write_failures(job.output, clips, failures)
    if failed == len(clips):
        prepared_folder.discard(job.output, [shard.file for shard in planned])
        return Report(0, failed, 0, False)
    prepared_folder.write_warnings(job.output, warned)
    dataset = prepared_folder.write_summary(job.output, identity, job.labels, splits, failed)
    prepared_folder.clean(job.output)
    return _report(dataset, complete_before=False)


def _summarize(planned, output):
    """Returns the summary of each split, the failures by id of the clip, and clips with their warnings."""
    if not planned:
        return {}, {}, []
    from brave_tf.data.preparation.shards import read_whole

    splits, failure_of, warned = {}, {}, []
    for shard in planned:
        description, outcomes = read_whole(output, shard)
        summary = splits.setdefault(shard.split, prepared_folder.SplitSummary())
        summary.add(description, shard.clips, outcomes)
        for clip, outcome in zip(shard.clips, outcomes):
            warned += [(clip, warning) for warning in outcome.warnings]
            if outcome.failure is not None:
                failure_of[id(clip)] = outcome.failure
    return splits, failure_of, warned


def _missing(clip):
    if clip.size is not None:
        return None
    return ("find", "is not a file" if os.path.exists(clip.file) else "does not exist")


def _report(dataset, complete_before):
    splits = dataset["splits"].values()
    return Report(
        written=sum(split["clips"] for split in splits),
        failed=dataset["failures"],
        shards=sum(len(split["shards"]) for split in splits),
        complete_before=complete_before,
        warned=sum(split.get("with_warnings", 0) for split in splits),
    )
