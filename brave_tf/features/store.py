"""Features on disk: computed once, used by every protocol, and found again after an interruption."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, Callable

import numpy as np
from absl import logging

from brave_tf.errors import UserError
from brave_tf.storage import files, json_values
from brave_tf.storage.json_values import count, file_name, text, truth
from brave_tf.storage.locks import locked

_LIST = "store.json"
_PART = {"file": file_name, "bytes": count, "sha256": text, "rows": count, "last": count}
_LISTED = {"parts": [_PART], "done": truth}
_LOCK = "features.lock"
# Features of a large collection take hours.
_PATIENCE = 24 * 3600.0
_KEPT = (
    "Features of the clips before and results of other tasks are kept. Free space on that disk or check its "
    "permissions, then start the same command again: it goes on from there."
)


@dataclasses.dataclass(frozen=True)
class Rows:
    """Features of some clips, one row each.

    Attributes:
      features: (rows, windows, D) float32.
      index: (rows,) int64, the number of the clip in its split of records, rising.
      labels: (rows,) int64, or (rows, classes) bool where clips have several.
      paths: (rows,) str.
    """

    features: np.ndarray
    index: np.ndarray
    labels: np.ndarray
    paths: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def columns(self) -> dict[str, np.ndarray]:
        """Returns the fields by name, each an array with a row per window."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """Returns the rows of all parts."""
        columns = [part.columns() for part in parts]
        return cls(
            **{name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
        )


@dataclasses.dataclass(frozen=True)
class Part:
    """Some rows of a store, read when they are asked for.

    Attributes:
      rows: how many.
      last: the number of the last clip.
      load: reads them.
    """

    rows: int
    last: int
    load: Callable[[], Rows]


class FeatureStore:
    """Rows of features in files that are written one after the other; in memory where there is no folder.

    `store.json` lists the files with their hashes. From the first one on that is not what was written, rows
    are not there, and have to be added again.

    Args:
      folder: where the stores of an evaluation are; None for memory.
      key: plain JSON values that say what the rows are; other values make another store.

    Raises:
      NotWrittenError: damaged files cannot be taken away.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, key: dict[str, Any]):
        self.key = key
        self._folder = None
        self._held: list[Part] = []
        self._written: list[dict[str, Any]] = []
        self._done = False
        if folder is not None:
            digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
            self._folder = pathlib.Path(folder) / digest[:16]
            self._find()

    @property
    def done(self) -> bool:
        """Whether all rows are there."""
        return self._done

    @property
    def parts(self) -> list[Part]:
        """The rows so far, in order."""
        return list(self._held)

    @property
    def rows(self) -> int:
        """How many rows there are so far."""
        return sum(part.rows for part in self._held)

    @property
    def next_index(self) -> int:
        """The number of the first clip that has not been seen."""
        return self._held[-1].last + 1 if self._held else 0

    def load(self) -> Rows | None:
        """Returns all rows; None when there is none."""
        return Rows.joined([part.load() for part in self._held]) if self._held else None

    def add(self, rows: Rows) -> None:
        """Keeps more rows.

        Raises:
          NotWrittenError: they cannot be written.
        """
        load = lambda: rows  # noqa: E731
        if self._folder is not None:
            path = self._folder / f"part-{len(self._held):06d}.npz"
            with files.told(path, _KEPT):
                files.write_arrays(path, rows.columns())
                described = {"file": path.name, "bytes": path.stat().st_size}
                described.update(rows=len(rows), last=int(rows.index[-1]))
                self._written.append({**described, "sha256": files.sha256_of(path)})
            self._write_list()
            load = functools.partial(_read, path)
        self._held.append(Part(len(rows), int(rows.index[-1]), load))

    def finish(self) -> None:
        """Notes that all rows are there.

        Raises:
          NotWrittenError: it cannot be written.
        """
        self._done = True
        if self._folder is not None and self._held:
            self._write_list()

    def _find(self) -> None:
        """Takes what is on disk, up to the first file that is not what was written."""
        if not self._folder.is_dir():
            return
        damaged = None
        try:
            content = _read_list(self._folder / _LIST)
            for described in content["parts"]:
                path = self._folder / described["file"]
                damaged = _damage(path, described)
                if damaged:
                    break
                self._written.append(described)
                load = functools.partial(_read, path)
                self._held.append(Part(described["rows"], described["last"], load))
            self._done = content["done"] and not damaged
        except (OSError, ValueError, KeyError, TypeError) as error:
            damaged = f"{self._folder / _LIST} is not what was written ({error!r})"
        if damaged:
            self._take_away(damaged)

    def _take_away(self, damaged: str) -> None:
        logging.warning(
            "%s: the features from there on are computed again, %d clips before are kept",
            damaged,
            self.rows,
        )
        kept = {described["file"] for described in self._written}
        with files.told(self._folder, _KEPT):
            for path in self._folder.glob("part-*"):
                if path.name not in kept:
                    path.unlink()
        self._write_list()

    def _write_list(self) -> None:
        content = {"key": self.key, "done": self._done, "parts": self._written}
        path = self._folder / _LIST
        with files.told(path, _KEPT):
            files.write_json(path, {**content, "sha256": _hash_of(content)})


def _read_list(path: pathlib.Path) -> dict[str, Any]:
    content = files.read_json(path)
    if content.pop("sha256") != _hash_of(content):
        raise ValueError("its SHA-256 is another")
    json_values.check(content, _LISTED)
    return content


def _hash_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _damage(path: pathlib.Path, described: dict[str, Any]) -> str | None:
    """Says what is wrong with a file; None for one that is what was written."""
    if not path.is_file():
        return f"{path} is missing"
    if path.stat().st_size != described["bytes"]:
        return f"{path} has {path.stat().st_size:,} bytes instead of {described['bytes']:,}"
    if files.sha256_of(path) != described["sha256"]:
        return f"{path} is not what was written, its SHA-256 is another"
    return None


def _read(path: pathlib.Path) -> Rows:
    try:
        return Rows(**files.read_arrays(path))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read any more ({error!r}): start the same command again, which makes it again."
        ) from error


@contextlib.contextmanager
def sole_writer(folder: str | os.PathLike[str] | None) -> Iterator[None]:
    """Keeps other processes from computing features in `folder`; waits for one that does."""
    if folder is None:
        yield
        return
    with files.told(folder, _KEPT):
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    path = str(pathlib.Path(folder) / _LOCK)
    with contextlib.ExitStack() as stack:
        try:
            with files.told(path, _KEPT):
                stack.enter_context(locked(path, wait=False))
        except BlockingIOError:
            print(f"waiting for another evaluation that computes features in {folder}", flush=True)
            stack.enter_context(locked(path, patience=_PATIENCE))
        yield


def size_of(folder: str | os.PathLike[str]) -> int:
    """Returns the bytes that the stores in a folder take."""
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())


def aligned(passes: list[Rows]) -> Rows:
    """Puts the windows of passes side by side, of the clips that could be read in all of them."""
    index = functools.reduce(np.intersect1d, [rows.index for rows in passes])
    chosen = [rows.features[np.isin(rows.index, index)] for rows in passes]
    first = np.isin(passes[0].index, index)
    labels, paths = passes[0].labels[first], passes[0].paths[first]
    return Rows(np.concatenate(chosen, axis=1), index, labels, paths)
