"""Features on disk: computed once, used by every protocol, and found again after an interruption."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, Callable

import numpy as np
from absl import logging

from brave_tf import files
from brave_tf.locks import locked

_DONE = "done"
_LOCK = "features.lock"


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

    Args:
      folder: where the stores of an evaluation are; None for memory.
      key: plain JSON values that say what the rows are; other values make another store.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, key: dict[str, Any]):
        self.key = key
        self._folder = None
        self._held: list[Part] = []
        self._done = False
        if folder is not None:
            digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
            self._folder = pathlib.Path(folder) / digest[:16]
            self._done = (self._folder / _DONE).exists()
            self._held = self._found()

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
          OSError: they cannot be written.
        """
        if self._folder is None:
            self._held.append(_part(rows.index, lambda: rows))
            return
        if not self._held:
            files.write_json(self._folder / "key.json", self.key)
        path = self._folder / f"part-{len(self._held):06d}.npz"
        with files.replacing(path) as aside, open(aside, "wb") as file:
            np.savez(file, **rows.columns())
        self._held.append(_part(rows.index, functools.partial(_read, path)))

    def finish(self) -> None:
        """Notes that all rows are there."""
        self._done = True
        if self._folder is not None and self._held:
            (self._folder / _DONE).touch()

    def _found(self) -> list[Part]:
        try:
            paths = sorted(self._folder.glob("part-*.npz"))
            return [_part(_index(path), functools.partial(_read, path)) for path in paths]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            logging.warning(
                "%s cannot be read, its features are computed again: %s", self._folder, error
            )
            shutil.rmtree(self._folder, ignore_errors=True)
            self._done = False
            return []


def _part(index: np.ndarray, load: Callable[[], Rows]) -> Part:
    return Part(len(index), int(index[-1]), load)


def _index(path: pathlib.Path) -> np.ndarray:
    with np.load(path) as part:
        return part["index"]


def _read(path: pathlib.Path) -> Rows:
    with np.load(path) as part:
        return Rows(**{name: part[name] for name in part.files})


@contextlib.contextmanager
def sole_writer(folder: str | os.PathLike[str] | None) -> Iterator[None]:
    """Keeps other processes from computing features in `folder`; waits for one that does."""
    if folder is None:
        yield
        return
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    path = str(pathlib.Path(folder) / _LOCK)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(path, wait=False))
        except BlockingIOError:
            print(f"waiting for another evaluation that computes features in {folder}", flush=True)
            stack.enter_context(locked(path))
        yield


def size_of(folder: str | os.PathLike[str]) -> int:
    """Returns the bytes that the stores in a folder take."""
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())


def digest_of_weights(weights: Sequence[np.ndarray]) -> str:
    """Returns a hash of the values of `weights`."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(repr((weight.shape, weight.dtype)).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def digest_of_files(paths: Sequence[str]) -> str:
    """Returns a hash of the names, sizes and times of change of files."""
    stats = [(path, os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(stats).encode()).hexdigest()
