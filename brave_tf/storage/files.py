"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import stat
import tempfile
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Union

import numpy as np

from brave_tf.errors import UserError

_BLOCK = 2**20
Path = Union[str, "os.PathLike[str]"]


class NotWrittenError(UserError):
    """A file could not be written in the middle of a work, such as on a full disk; what is done is kept."""

    exit_code = 1


@contextlib.contextmanager
def told(path: Path, kept: str) -> Iterator[None]:
    """Has an OSError of the body tell what was written and how much space there is.

    Args:
      path: of what the body writes.
      kept: a sentence on what there is already, and what to do.

    Raises:
      NotWrittenError: the body raised an OSError.
    """
    try:
        yield
    except BlockingIOError:
        raise  # Another process holds a lock.
    except OSError as error:
        raise NotWrittenError(
            f"{os.fspath(path)} could not be written ({error.strerror or error}); {_free(path)} are free on "
            f"that disk. {kept}"
        ) from error


def _free(path: Path) -> str:
    """Returns the space on the disk of a path that need not be there, in MB."""
    folder = pathlib.Path(os.path.abspath(path))
    while not folder.is_dir():
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[pathlib.Path]:
    """Gives the path of a hidden file beside `path`, which takes its place when the body has written it.

    When the body fails, `path` is left as it was. The folder of `path` is made if it is missing. Nothing is
    written through a link: one at `path` is replaced, and nobody knows the hidden file's name before.

    Raises:
      OSError: The folder cannot be made, or the file not be renamed.
    """
    target = pathlib.Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Processes of several machines, which may have the same number, see the same folder.
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    try:
        yield aside
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)


def check_writable(folder: Path, flag: str) -> None:
    """Makes a folder if it is missing, and sure that it can be written to, before any long work.

    Args:
      folder: its path.
      flag: the name of the flag that gives it.

    Raises:
      UserError: it cannot.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        # Without a name, so that others may look at the same time.
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}): name another folder with --{flag}."
        ) from error


def write_json(path: Path, contents: Any) -> None:
    """Writes `contents` as indented JSON in the place of what is at `path`.

    Raises:
      OSError: It could not be written.
    """
    with replacing(path) as aside:
        aside.write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = False) -> None:
    """Writes arrays as a `.npz` file in the place of what is at `path`.

    Raises:
      OSError: It could not be written.
    """
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    # As `numpy.savez` does, which leaves an archive open that cannot be written to its end: it would complain
    # once more when it is forgotten.
    with replacing(path) as aside, zipfile.ZipFile(aside, "w", method) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)


def check_ends(path: Path) -> None:
    """Refuses what is read without an end, or not at all, where a file is expected.

    Raises:
      UserError: it is a pipe, a socket or a device.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return  # It is missing, or not of this machine: whoever reads it says so.
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UserError(
            f"{os.fspath(path)} is a pipe, a socket or a device, for which a reader may wait for ever: "
            "expected a file. Write what it gives to a file, and name that, or take it away."
        )


def read_small(path: Path, most: int) -> bytes:
    """Returns the bytes of a file that may be anything.

    Args:
      path: of the file.
      most: bytes that it may have.

    Raises:
      OSError: it cannot be read, is longer, or is a pipe or a device, which is not waited for.
    """
    with _plain_file(path) as file:
        # Block by block, as memory for all that there may be is not always to be had.
        content = bytearray()
        while block := file.read(_BLOCK):
            content += block
            if len(content) > most:
                raise OSError(f"{os.fspath(path)} has more than {most:,} bytes")
    return bytes(content)


def read_arrays(path: Path, most: int = 2**34) -> dict[str, np.ndarray]:
    """Returns the arrays of a `.npz` file that anyone may have written: numbers and texts, no pickles.

    Args:
      path: of the file.
      most: bytes that they may take.

    Raises:
      OSError: it cannot be read, or is a pipe or a device.
      ValueError: it is damaged, or its arrays are larger.
    """
    with _plain_file(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                size = sum(each.file_size for each in archive.infolist())
            if size > most:
                raise ValueError(f"its arrays would take {size:,} bytes, more than {most:,}")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError):
            raise
        except Exception as error:  # What zipfile, zlib and numpy make of damage is of many kinds.
            raise ValueError(f"it is damaged: {type(error).__name__}: {error}") from error
    if not all(isinstance(each, np.ndarray) for each in found.values()):
        raise ValueError("it holds files other than arrays")
    return found


def read_json(path: Path, most: int = 2**28) -> Any:
    """Returns the contents of a JSON file that anyone may have written.

    Args:
      path: of the file.
      most: bytes that it may have.

    Raises:
      OSError: see `read_small`.
      ValueError: it is no JSON, or nested more deeply than anything that is written here.
    """
    try:
        return json.loads(read_small(path, most))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


@contextlib.contextmanager
def _plain_file(path: Path) -> Iterator[BinaryIO]:
    """Opens a file to read it; a pipe or a device is an OSError, and is not waited for."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{os.fspath(path)} is no plain file")
        yield file


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of the bytes of a file, hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def flush(path: Path) -> None:
    """Waits until what was written to a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
