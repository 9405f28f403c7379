"""The folder of a preparation: whose it is, and the files beside its shards."""

from __future__ import annotations

import collections
import contextlib
import csv
import fcntl
import glob
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import av

import brave_tf
from brave_tf.data.preparation.clip_list import Clip
from brave_tf.errors import UserError

JOURNAL = ".journal.jsonl"
_FORMAT = 1
_DATASET = "dataset.json"
_MODALITIES = ("rgb", "flow", "audio")
_LEAST_SPACE = 16 << 20


class StorageError(OSError):
    """The output cannot be written any more; what was finished is kept."""


class Outcome(NamedTuple):
    """What became of a clip: modalities and seconds of its record, or a failure's (stage, reason)."""

    modalities: tuple[str, ...] = ()
    seconds: float = 0.0
    failure: tuple[str, str] | None = None


def fingerprint(clips: Sequence[Clip]) -> dict[str, Any]:
    """Returns what tells one list of clips from another: their number, and a digest of all but the folder."""
    digest = hashlib.sha256()
    for clip in clips:
        row = [clip.path, clip.start, clip.end, clip.labels, clip.split, clip.size]
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
        probe = os.path.join(folder, ".writable")
        with open(probe, "w"):
            os.remove(probe)
        usage = shutil.disk_usage(folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"--output={folder}: cannot be written: {reason}.") from error
    if usage.total and usage.free < _LEAST_SPACE:
        raise UserError(f"--output={folder}: the disk is full ({usage.free >> 20} MB are free).")
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UserError(f"--output={folder}: another process is preparing clips in it.") from error
    finally:
        os.close(handle)


def completed(folder: str, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the dataset.json of a preparation that is complete; None when there is work to do.

    Args:
      folder: The output.
      identity: `settings` and `input` of the preparation that is asked for.

    Raises:
      UserError: The folder holds another preparation, or records of unknown origin, or lacks shards.
    """
    dataset = _first_json(os.path.join(folder, _DATASET), whole=True)
    found = dataset or _first_json(os.path.join(folder, JOURNAL))
    if found is None:
        if glob.glob(os.path.join(glob.escape(folder), "*.tfrecord*")):
            raise UserError(
                f"--output={folder}: holds records of another origin. Choose an empty folder."
            )
        return None
    differences = _differences(found, identity)
    if differences:
        raise UserError(
            f"--output={folder}: holds another preparation: {'; '.join(differences)}. Choose another "
            "folder, or empty this one."
        )
    if dataset is None:
        return None
    for split in dataset["splits"].values():
        for shard in split["shards"]:
            path = os.path.join(folder, shard["file"])
            if not os.path.isfile(path) or os.path.getsize(path) != shard["bytes"]:
                raise UserError(
                    f"--output={folder}: {shard['file']} is missing or damaged. "
                    "Empty the folder and prepare anew."
                )
    return dataset


def write_failures(folder: str, clips: Sequence[Clip], outcomes: Sequence[Outcome]) -> None:
    """Writes failures.csv: a row for each of the clips whose outcome is a failure."""
    path = os.path.join(folder, "failures.csv")
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["path", "start", "end", "stage", "reason"])
        for clip, outcome in zip(clips, outcomes):
            if outcome.failure is not None:
                rows.writerow([clip.path, clip.start, clip.end, *outcome.failure])


def write_summary(
    folder: str,
    identity: dict[str, Any],
    labels: Sequence[str],
    clips: Sequence[Clip],
    outcomes: Sequence[Outcome],
    shards: Sequence[tuple[str, dict[str, Any]]],
) -> dict[str, Any]:
    """Writes labels.txt and dataset.json; returns the contents of the latter.

    Args:
      folder: The output.
      identity: `settings` and `input` of the preparation.
      labels: In the order of their index.
      clips: All of them.
      outcomes: What became of each.
      shards: Split and description (file, clips, bytes, sha256) of each shard.
    """
    path = os.path.join(folder, "labels.txt")
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(label + "\n" for label in labels)
    members = collections.defaultdict(list)
    for clip, outcome in zip(clips, outcomes):
        if outcome.failure is None:
            members[clip.split].append((clip, outcome))
    described = collections.defaultdict(list)
    for split, description in shards:
        described[split].append(description)
    dataset = {
        "format": _FORMAT,
        "splits": {split: _summary(members[split], described[split]) for split in described},
        **identity,
        "failures": sum(outcome.failure is not None for outcome in outcomes),
        "versions": _versions(),
    }
    path = os.path.join(folder, _DATASET)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(dataset, file, indent=2)
        file.write("\n")
    os.replace(path + ".new", path)
    return dataset


def _summary(members, shards):
    labels = collections.Counter(label for clip, _ in members for label in clip.labels)
    return {
        "clips": len(members),
        "shards": shards,
        **{
            f"with_{modality}": sum(modality in outcome.modalities for _, outcome in members)
            for modality in _MODALITIES
        },
        "seconds": round(sum(outcome.seconds for _, outcome in members), 3),
        "labels": dict(sorted(labels.items())),
    }


def _differences(found, wanted):
    settings = found.get("settings", {})
    differences = [
        f"its --{name} is {settings.get(name)!r}, not {value!r}"
        for name, value in wanted["settings"].items()
        if settings.get(name) != value
    ]
    before, now = found.get("input", {}), wanted["input"]
    if before != now:
        differences.append(
            f"its input was other files or labels ({before.get('clips')} clips, now {now['clips']})"
        )
    return differences


def _first_json(path, whole=False):
    try:
        with open(path, encoding="utf-8") as file:
            return json.loads(file.read() if whole else file.readline())
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
