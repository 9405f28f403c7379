"""Reads all shards of a folder of clip records and tells what they hold and what is wrong with them."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import re
import threading
from collections.abc import Iterator, Sequence

import tensorflow as tf

from brave_tf.data.records import shard_names
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.modalities import Held
from brave_tf.data.records.splits import Shard, Split
from brave_tf.inspection import split_check
from brave_tf.inspection.clip_check import check_clip, first_line
from brave_tf.inspection.findings import Findings
from brave_tf.inspection.index_check import ShardIndex
from brave_tf.inspection.shard_scan import ShardScan
from brave_tf.inspection.split_facts import SplitFacts, place
from brave_tf.inspection.stored_clip import StoredClip
from brave_tf.process.progress import Progress

# train-00003-of-00010.tfrecord and train.tfrecord-00003-of-00010: which one of how many.
_NUMBERED = re.compile(r"^(.*?)(\d+)-of-(\d+)(.*)$")
_MEGABYTE = 1 << 20

Job = tuple[str, concurrent.futures.Future]


@dataclasses.dataclass(frozen=True)
class FolderFacts:
    """What a folder of clip records holds.

    Attributes:
      info: what its dataset.json and labels.txt say.
      splits: what was found in the shards, by split.
      findings: what is wrong, and what is worth knowing.
      label_names: of the labels, by index: from labels.txt, the records, or the index itself.
    """

    info: DatasetInfo
    splits: dict[str, SplitFacts]
    findings: Findings
    label_names: dict[int, str]

    def training_split(self) -> str:
        """Returns the split to train on: `train`, those with that in their names, or all with clips."""
        filled = [name for name, split in self.splits.items() if split.clips]
        meant = [name for name in filled if "train" in name] or filled
        return "train" if "train" in meant else "+".join(meant)

    def held(self) -> Held:
        """Returns what the clips of `training_split` have; the sample rate is that of its first part."""
        parts = [self.splits[name].held() for name in self.training_split().split("+") if name]
        together = frozenset().union(*(part.together for part in parts))
        rates = [part.sample_rate for part in parts if part.sample_rate]
        return Held(together, next(iter(rates), None))


def check_folder(
    info: DatasetInfo,
    splits: Sequence[str] = (),
    decode: str = "sample",
    workers: int = 0,
    make_index: bool = False,
) -> FolderFacts:
    """Reads every record of the splits once, and shows how far it is.

    Of each clip 52 bytes are kept; shards are read side by side.

    Args:
      info: the folder.
      splits: names of the splits; none for all.
      decode: which frames to decode, see `check_clip`.
      workers: shards that are read at the same time; 0 is one per core.
      make_index: whether to make the index of each shard, see `records.index`; else it is compared.

    Raises:
      UserError: there is no split of one of the names, or an index cannot be written.
    """
    chosen = {name: info.split(name) for name in splits or sorted(info.splits)}
    findings = Findings()
    present = _present(info, chosen, findings)
    sizes = {path: tf.io.gfile.stat(path).length for path in present}
    workers = min(workers or os.cpu_count() or 1, len(present) or 1)
    facts = {name: SplitFacts() for name in chosen}
    with Progress(sum(sizes.values()) // _MEGABYTE, "inspecting", "MB") as progress:
        meter = _Meter(progress)
        pool = concurrent.futures.ThreadPoolExecutor(workers)
        try:
            jobs = [
                (
                    name,
                    pool.submit(_check_shard, shard, name, info.labels, decode, meter, make_index),
                )
                for name, split in chosen.items()
                for shard in split.shards
                if shard.path in sizes
            ]
            for name, job in _each_once(jobs):
                shard_facts, shard_findings = job.result()
                facts[name].merge(shard_facts)
                findings.merge(shard_findings)
        finally:
            meter.stopped = True
            pool.shutdown(cancel_futures=True)
    for name, split in chosen.items():
        split_check.check_split(info, split, facts[name], findings)
    split_check.compare_splits(facts, findings)
    names = split_check.label_names(info, facts)
    split_check.compare_labels(facts, names, findings)
    return FolderFacts(info, facts, findings, names)


class _Meter:
    """Counts bytes of several threads as megabytes of one progress."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._lock = threading.Lock()
        self._bytes = 0
        self.stopped = False

    def add(self, count: int) -> None:
        with self._lock:
            before = self._bytes // _MEGABYTE
            self._bytes += count
            self._progress.add(self._bytes // _MEGABYTE - before)


def _each_once(jobs: list[Job]) -> Iterator[Job]:
    """Yields the jobs in order and lets go of each, for their results may be large."""
    jobs.reverse()
    while jobs:
        yield jobs.pop()


def _check_shard(
    shard: Shard,
    split: str,
    labels: tuple[str, ...],
    decode: str,
    meter: _Meter,
    make_index: bool,
) -> tuple[SplitFacts, Findings]:
    facts, findings = SplitFacts(shards=[shard.path]), Findings()
    name = os.path.basename(shard.path)
    try:
        scan = ShardScan(shard.path, checksum=shard.sha256 is not None)
        facts.bytes = scan.size
        index = ShardIndex(scan, make_index)
        for record in index:
            if meter.stopped:
                break
            if record.damage:
                where = place(shard.path, record.position, "")
                findings.add(record.damage, split, f"{where}: {record.detail}")
                continue
            _check_record(record, shard.path, split, labels, decode, facts, findings)
            meter.add(len(record.data))
    except tf.errors.OpError as error:
        findings.add("shard_damaged", split, f"{name}: {first_line(error)}")
        return facts, findings
    _compare_shard(shard, scan, facts, split, findings)
    if not meter.stopped and (found := index.finish()):
        findings.add(found, split, name)
    return facts, findings


def _check_record(record, path, split, labels, decode, facts, findings) -> None:
    try:
        clip = StoredClip.parse(record.data)
    except tf.errors.InvalidArgumentError as error:
        where = place(path, record.position, "")
        findings.add("record_unreadable", split, f"{where}: {first_line(error)}")
        return
    seen = check_clip(clip, labels, decode)
    where = place(path, record.position, clip.path)
    for issue in seen.issues:
        findings.add(issue.kind, split, f"{where}: {issue.detail}")
    for kind in ("silent", "still"):
        if getattr(seen, kind):
            findings.add(kind, split, where)
    facts.add(clip, seen, record.position, record.offset)


def _compare_shard(
    shard: Shard, scan: ShardScan, facts: SplitFacts, split: str, findings: Findings
) -> None:
    name = os.path.basename(shard.path)
    if shard.clips is None and not scan.num_records:
        findings.add("shard_damaged", split, f"{name}: {scan.size:,} bytes, no record")
    if shard.bytes is not None and shard.bytes != scan.size:
        detail = f"{scan.size:,} bytes, not {shard.bytes:,}"
        findings.add("shard_bytes", split, f"{name}: {detail}")
    if scan.sha256 is not None and shard.sha256 != scan.sha256:
        findings.add(
            "shard_checksum", split, f"{name}: {scan.sha256[:9]}..., not {shard.sha256[:9]}..."
        )
    if shard.clips is not None and shard.clips != facts.clips:
        findings.add("count_differs", split, f"{name}: {facts.clips:,} clips, not {shard.clips:,}")


def _present(info: DatasetInfo, chosen: dict[str, Split], findings: Findings) -> list[str]:
    """Returns the shards that are there; notes those that are missing or that nobody lists."""
    there = {os.path.join(info.data_dir, name) for name in shard_names.names_in(info.data_dir)}
    present = []
    for name, split in chosen.items():
        for shard in split.shards:
            if shard.path in there:
                present.append(shard.path)
            else:
                findings.add("shard_missing", name, os.path.basename(shard.path))
        for missing in _missing_numbers(split):
            findings.add("shard_missing", name, missing)
    listed = {shard.path for split in info.splits.values() for shard in split.shards}
    for path in sorted(there - listed):
        if ".tfrecord" in os.path.basename(path) and not os.path.basename(path).startswith("."):
            findings.add("shard_unlisted", "the folder", os.path.basename(path))
    return present


def _missing_numbers(split: Split) -> list[str]:
    """Names the shards that a split lacks by the numbers in the names of the others."""
    names = {os.path.basename(shard.path) for shard in split.shards}
    missing = set()
    for name in names:
        match = _NUMBERED.match(name)
        if match:
            before, number, count, after = match.groups()
            every = {
                f"{before}{index:0{len(number)}d}-of-{count}{after}" for index in range(int(count))
            }
            missing |= every - names
    return sorted(missing)
