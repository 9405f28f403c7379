"""Checkpoints on disk: each is there whole or not at all, and is verified before it is read.

A checkpoint of step 300 is what TensorFlow writes, `step-300.index` and `step-300.data-*`, and a manifest,
`step-300.json`: its step, the loss on held-out clips if it was measured, which clips it has rows
of if it keeps something for each, the size and SHA-256 of the other files, and the SHA-256 of all that. They
are written aside, flushed to the disk and renamed, the manifest last; without its manifest a checkpoint does
not count. `checkpoint` and `best` name the newest one and the one with the lowest held-out loss for
TensorFlow: `tf.train.latest_checkpoint(folder, "best")`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from brave_tf.storage import files, json_values
from brave_tf.storage.json_values import MappingOf, Optional, count, number, text

_ASIDE = ".writing"
LAST, BEST = "checkpoint", "best"
_MANIFEST = {
    "step": count,
    "held_out_loss": Optional(number),
    "rows": Optional({"count": count, "digest": text}),
    "files": MappingOf({"bytes": count, "sha256": text}),
}


class DamagedError(Exception):
    """A checkpoint that must not be read; the message says why."""


def path_of(folder: pathlib.Path, step: int) -> str:
    """Returns what TensorFlow calls the path of a checkpoint, the beginning of the names of its files."""
    return str(folder / f"step-{step}")


def steps(folder: pathlib.Path) -> list[int]:
    """Returns the steps of which there are files, in order, whether they are usable or not."""
    matches = (re.match(r"step-(\d+)\.", path.name) for path in folder.glob("step-*"))
    return sorted({int(match[1]) for match in matches if match})


def write(
    checkpoint: tf.train.Checkpoint,
    folder: pathlib.Path,
    step: int,
    held_out_loss: float | None = None,
    rows: Mapping[str, Any] | None = None,
) -> None:
    """Writes a checkpoint, in the place of one of the same step.

    Args:
      checkpoint: what is written.
      folder: of the checkpoints.
      step: of this one.
      held_out_loss: the loss on held-out clips, if it was measured.
      rows: of the clips that its state is about, see `ClipRows.identity`; None: it is about none.

    Raises:
      OSError or tf.errors.OpError: It could not be written; what was there before is left as it is.
    """
    aside = folder / _ASIDE
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(aside)
    aside.mkdir(parents=True)
    try:
        checkpoint.write(path_of(aside, step))
        parts = sorted(aside.iterdir())
        manifest = {"step": step, "held_out_loss": held_out_loss, "files": _describe(parts)}
        if rows is not None:
            manifest["rows"] = dict(rows)
        aside_manifest = _manifest_path(aside, step)
        manifest["sha256"] = _hash_of(manifest)
        aside_manifest.write_text(json.dumps(manifest, indent=1), "utf-8")
        for part in [*parts, aside_manifest]:
            files.flush(part)
        # The one that is replaced must not seem whole in between.
        with contextlib.suppress(FileNotFoundError):
            _manifest_path(folder, step).unlink()
        for part in [*parts, aside_manifest]:
            os.replace(part, folder / part.name)
        files.flush(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def verify(folder: pathlib.Path, step: int) -> dict[str, Any]:
    """Reads all files of a checkpoint; returns its manifest.

    Raises:
      DamagedError: They are not what was written.
    """
    manifest = read_manifest(folder, step)
    for name, file in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise DamagedError(f"{name} is missing")
        size = path.stat().st_size
        if size != file["bytes"]:
            raise DamagedError(f"{name} has {size:,} bytes instead of {file['bytes']:,}")
        if files.sha256_of(path) != file["sha256"]:
            raise DamagedError(f"{name} is not what was written: its SHA-256 is another")
    return manifest


def read_manifest(folder: pathlib.Path, step: int) -> dict[str, Any]:
    """Returns the manifest of a checkpoint, whose other files may be damaged.

    Raises:
      DamagedError: It is not what was written, or was never written.
    """
    path = _manifest_path(folder, step)
    try:
        manifest = files.read_json(path)
        whole = manifest.pop("sha256") == _hash_of(manifest)
        json_values.check(manifest, _MANIFEST)
    except FileNotFoundError as error:
        raise DamagedError(f"{path.name} is missing: it was not written to the end") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path.name} cannot be read: {error}") from error
    if not whole or manifest["step"] != step:
        raise DamagedError(f"{path.name} is not what was written: its SHA-256 is another")
    for each in manifest["files"]:
        if not re.fullmatch(rf"step-{step}\.[\w-]+", each):
            raise DamagedError(f"{path.name} names {each!r}, which is no file of this checkpoint")
    return manifest


def newest(folder: pathlib.Path, candidates: Sequence[int] | None = None) -> int | None:
    """Returns the step of the newest usable checkpoint, or None where there is no checkpoint at all.

    Damaged ones that are passed over are named in a warning.

    Args:
      folder: of the checkpoints.
      candidates: steps to choose from, the last one first; all, if None.

    Raises:
      DamagedError: There are checkpoints, and none is usable.
    """
    candidates = steps(folder) if candidates is None else candidates
    damaged = []
    for step in reversed(candidates):
        try:
            verify(folder, step)
        except DamagedError as error:
            damaged.append(f"{path_of(folder, step)}: {error}")
            continue
        for each in damaged:
            logging.warning(
                "damaged checkpoint passed over, step %d is used instead: %s", step, each
            )
        return step
    if damaged:
        raise DamagedError("; ".join(damaged))
    return None


def manifests(folder: pathlib.Path) -> dict[int, dict[str, Any]]:
    """Returns step -> manifest of the checkpoints that were written to the end, without verifying them."""
    found = {}
    for step in steps(folder):
        with contextlib.suppress(DamagedError):
            found[step] = read_manifest(folder, step)
    return found


def prune(folder: pathlib.Path, last: int, kept: Collection[int]) -> None:
    """Deletes the checkpoints up to the step `last` but some, and what there is of unfinished ones."""
    for step in {step for step in steps(folder) if step <= last} - set(kept):
        for path in [_manifest_path(folder, step), *folder.glob(f"step-{step}.*")]:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def name(folder: pathlib.Path, file: str, step: int) -> None:
    """Writes `LAST` or `BEST`, which tell TensorFlow the path of a checkpoint."""
    state = tf.compat.v1.train.generate_checkpoint_state_proto(
        str(folder.absolute()), f"step-{step}"
    )
    with files.replacing(folder / file) as aside:
        aside.write_text(str(state), "utf-8")


def size(folder: pathlib.Path) -> int:
    """Returns the bytes that checkpoints take."""
    return sum(path.stat().st_size for path in folder.glob("step-*"))


def _manifest_path(folder: pathlib.Path, step: int) -> pathlib.Path:
    return folder / f"step-{step}.json"


def _hash_of(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _describe(parts: Sequence[pathlib.Path]) -> dict[str, dict[str, Any]]:
    return {
        part.name: {"bytes": part.stat().st_size, "sha256": files.sha256_of(part)} for part in parts
    }
