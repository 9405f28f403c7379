"""The folder of a preparation: whose it is, and the files beside its shards."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import glob
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import av

import brave_tf
from brave_tf import modality_registry as modalities
from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.errors import ArgumentError, UserError
from brave_tf.storage import csv_files, files
from brave_tf.storage.locks import locked

# Of a preparation that is not complete.
PLAN = ".plan.jsonl"
WARNINGS = "warnings.csv"
_IDENTITY = ".preparation.json"
_TRANSIENT = (_IDENTITY, PLAN, ".*.tfrecord.*")
_FORMAT = 1
_DATASET = "dataset.json"
_LEAST_SPACE = 16 << 20


class StorageError(OSError):
    """The output cannot be written any more; what was finished is kept."""


class ClipOutcome(NamedTuple):
    """What became of a clip: modalities and seconds of its record, or a failure's (stage, reason).

    `warnings` say what may make the record other than it should be.
    """

    modalities: tuple[str, ...] = ()
    seconds: float = 0.0
    failure: tuple[str, str] | None = None
    warnings: tuple[str, ...] = ()


def identity_of(clips: Sequence[ListedClip], settings: PreparationSettings) -> dict[str, Any]:
    """Returns what tells one preparation from another: `settings`, `input`, and `modalities` of plug-ins."""
    identity = {"settings": dataclasses.asdict(settings), "input": fingerprint(clips)}
    further = [modality.name for modality in modalities.of_plugins()]
    return {**identity, **({"modalities": further} if further else {})}


def fingerprint(clips: Sequence[ListedClip]) -> dict[str, Any]:
    """Returns what tells one list of clips from another: their number, and a digest of all but the folder."""
    digest = hashlib.sha256()
    for clip in clips:
        # Cells are read for modalities of plug-ins alone, and lists without them have one fingerprint.
        left_out = ("file", "group") if clip.cells else ("file", "group", "cells")
        row = [value for name, value in vars(clip).items() if name not in left_out]
        digest.update(json.dumps(row).encode())
    return {"clips": len(clips), "sha256": digest.hexdigest()}


@contextlib.contextmanager
def claimed(folder: str) -> Iterator[None]:
    """Makes `folder` and keeps other preparations out of it.

    Raises:
      UserError: It cannot be written, has no room left, or another process prepares clips in it.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
        usage = shutil.disk_usage(folder)
    except OSError as error:
        reason = error.strerror or error
        raise ArgumentError("output", folder, f"cannot be written: {reason}.") from error
    if usage.total and usage.free < _LEAST_SPACE:
        raise ArgumentError("output", folder, f"the disk is full ({usage.free >> 20} MB are free).")
    try:
        with locked(os.path.join(folder, ".lock"), wait=False):
            yield
    except BlockingIOError as error:
        raise ArgumentError(
            "output", folder, "another process is preparing clips in it."
        ) from error


def completed(folder: str, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the dataset.json of a preparation that is complete; None when there is work to do.

    Args:
      folder: The output.
      identity: of the preparation that is asked for, see `identity_of`.

    Raises:
      UserError: The folder holds another preparation, or records of unknown origin, or lacks shards.
    """
    dataset = _read_json(os.path.join(folder, _DATASET))
    found = dataset or _read_json(os.path.join(folder, _IDENTITY))
    if found is None:
        if glob.glob(os.path.join(glob.escape(folder), "*.tfrecord*")):
            raise ArgumentError(
                "output", folder, "holds records of another origin. Choose an empty folder."
            )
        return None
    differences = _differences(found, identity)
    if differences:
        raise ArgumentError(
            "output",
            folder,
            f"holds another preparation: {'; '.join(differences)}. Choose another "
            "folder, or empty this one.",
        )
    if dataset is None:
        return None
    for split in dataset["splits"].values():
        for shard in split["shards"]:
            path = os.path.join(folder, shard["file"])
            if not os.path.isfile(path) or os.path.getsize(path) != shard["bytes"]:
                raise ArgumentError(
                    "output",
                    folder,
                    f"{shard['file']} is missing or damaged. Empty the folder and prepare anew.",
                )
    return dataset


def begin(folder: str, identity: dict[str, Any]) -> None:
    """Notes whose folder it is from now on."""
    files.write_json(os.path.join(folder, _IDENTITY), identity)


def clean(folder: str) -> None:
    """Removes what a preparation needs only until it is complete."""
    for pattern in _TRANSIENT:
        for path in glob.glob(os.path.join(glob.escape(folder), pattern)):
            os.remove(path)


def discard(folder: str, shards: Iterable[str]) -> None:
    """Removes the shards, and their indexes, of a preparation without a single record."""
    # It imports TensorFlow, which nothing else of this module needs.
    from brave_tf.data.records import index as record_index

    for file in shards:
        path = os.path.join(folder, file)
        for each in (path, record_index.path_of(path)):
            os.remove(each)
    with contextlib.suppress(OSError):  # Of another preparation there may be some left.
        os.rmdir(os.path.join(folder, record_index.FOLDER))
    clean(folder)


def write_failures(
    folder: str, clips: Iterable[ListedClip], failures: Iterable[tuple[str, str] | None]
) -> None:
    """Writes failures.csv: a row for each of the clips that has a failure."""
    rows = ([clip, *failure] for clip, failure in zip(clips, failures) if failure is not None)
    _write_rows(os.path.join(folder, "failures.csv"), ("stage", "reason"), rows)


def write_warnings(folder: str, warned: Iterable[tuple[ListedClip, str]]) -> None:
    """Writes warnings.csv: a row for each warning of a clip that has a record; without any, no file."""
    path = os.path.join(folder, WARNINGS)
    rows = [[clip, warning] for clip, warning in warned]
    if rows:
        _write_rows(path, ("warning",), rows)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


def _write_rows(path, columns, rows):
    told = ([clip.path, clip.start, clip.end, *cells] for clip, *cells in rows)
    csv_files.write(path, ("path", "start", "end", *columns), told)


class SplitSummary:
    """What the records of a split hold, counted shard by shard."""

    def __init__(self):
        self._shards = []
        self._clips = 0
        self._modalities = collections.Counter()
        self._seconds = 0.0
        self._labels = collections.Counter()
        self._warned = 0

    def add(
        self,
        description: dict[str, Any],
        clips: Sequence[ListedClip],
        outcomes: Sequence[ClipOutcome],
    ) -> None:
        """Counts a shard: its description (file, clips, bytes, sha256) and what became of its clips."""
        self._shards.append(description)
        for clip, outcome in zip(clips, outcomes):
            if outcome.failure is None:
                self._clips += 1
                self._modalities.update(outcome.modalities)
                self._seconds += outcome.seconds
                self._labels.update(clip.labels)
                self._warned += bool(outcome.warnings)

    def as_dict(self) -> dict[str, Any]:
        """Returns the split's part of dataset.json."""
        return {
            "clips": self._clips,
            "shards": self._shards,
            **{f"with_{modality}": self._modalities[modality] for modality in modalities.names()},
            "seconds": round(self._seconds, 3),
            "with_warnings": self._warned,
            "labels": dict(sorted(self._labels.items())),
        }


def write_summary(
    folder: str,
    identity: dict[str, Any],
    labels: Sequence[str],
    splits: Mapping[str, SplitSummary],
    failures: int,
) -> dict[str, Any]:
    """Writes labels.txt and dataset.json; returns the contents of the latter.

    Args:
      folder: The output.
      identity: of the preparation, see `identity_of`.
      labels: In the order of their index.
      splits: By name.
      failures: Number of clips without a record.
    """
    path = os.path.join(folder, "labels.txt")
    with (
        files.replacing(path) as aside,
        open(aside, "w", encoding="utf-8", errors="surrogateescape") as file,
    ):
        file.writelines(label + "\n" for label in labels)
    dataset = {
        "format": _FORMAT,
        "splits": {name: split.as_dict() for name, split in splits.items()},
        **identity,
        "failures": failures,
        "versions": _versions(),
    }
    files.write_json(os.path.join(folder, _DATASET), dataset)
    return dataset


def _differences(found, wanted):
    settings = found.get("settings", {})
    differences = [
        f"its --{name} is {settings.get(name)!r}, not {value!r}"
        for name, value in wanted["settings"].items()
        if settings.get(name) != value
    ]
    theirs, ours = (", ".join(each.get("modalities", ())) for each in (found, wanted))
    if theirs != ours:
        differences.append(
            f"its modalities of plug-ins are {theirs or 'none'}, not {ours or 'none'}"
        )
    before, now = found.get("input", {}), wanted["input"]
    if before != now:
        differences.append(
            f"its clips were others, in files, windows, labels or splits ({before.get('clips')} clips, "
            f"now {now['clips']} clips)"
        )
    return differences


def _read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(
            f"{path}: is damaged ({error}). Empty the folder and prepare anew."
        ) from error


def _versions():
    distributions = ("opencv-contrib-python-headless", "numpy", "tensorflow")
    return {
        "brave_tf": brave_tf.__version__,
        "av": av.__version__,
        "ffmpeg": av.ffmpeg_version_info,
        **{name: importlib.metadata.version(name) for name in distributions},
    }
