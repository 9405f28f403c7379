"""Operations of our own on frames, in C++: what TensorFlow's take many passes over memory for.

A wheel may carry them compiled. Else they are compiled once for a machine, by its C++ compiler, and kept in
the user's cache folder. Where there is no compiler either, TensorFlow's operations do the same work.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import platform
import stat
import subprocess
import tempfile
import threading
import types
from collections.abc import Iterator

import gin
import tensorflow as tf
from absl import logging

from brave_tf.data.kernels import carried, compiling
from brave_tf.errors import UserError
from brave_tf.storage import files
from brave_tf.storage.locks import locked

_here = threading.local()


@gin.configurable
@contextlib.contextmanager
def compiled_kernels(enabled: bool = True) -> Iterator[None]:
    """Has graphs that are built inside, by this thread, use the compiled operations where they can.

    Such graphs run on CPUs, in processes that have loaded the library; so it is for the datasets of this
    process, and not for what is exported, compiled by XLA or sent to another machine.

    Args:
      enabled: False leaves everything to TensorFlow's operations, with the same results up to rounding.
    """
    before = operations()
    _here.operations = _load() if enabled else None
    try:
        yield
    finally:
        _here.operations = before


def operations() -> types.ModuleType | None:
    """Returns the compiled operations where a graph may use them, see `compiled_kernels`, else None."""
    return getattr(_here, "operations", None)


@functools.cache
def _load() -> types.ModuleType | None:
    """Returns the operations of the wheel, else of the cache, else compiled now; None without any of them."""
    path = carried.find()
    if path:
        try:
            return _opened(path)
        except (OSError, tf.errors.OpError) as error:
            # Such as one that was made for a later C library.
            logging.info("%s cannot be loaded: %s", path, compiling.first_error(error))
    compiler = compiling.compiler()
    if compiler is None:
        logging.warning(
            "no C++ compiler (%s, or the one named by CXX) is installed: frames are resized, blurred and "
            "coloured by TensorFlow's own operations, which take twice as long.",
            ", ".join(compiling.COMPILERS),
        )
        return None
    try:
        return _opened(_library(compiler))
    except (OSError, subprocess.SubprocessError, UserError, tf.errors.OpError) as error:
        logging.warning(
            "the kernels in %s cannot be compiled or loaded, so TensorFlow's own operations do their work, "
            "which takes twice as long: %s",
            compiling.SOURCES,
            compiling.first_error(error),
        )
        return None


def _opened(path: pathlib.Path) -> types.ModuleType:
    opened = tf.load_op_library(str(path))
    opened.__file__ = str(path)
    return opened


def _library(compiler: str) -> pathlib.Path:
    """Returns the path of the library, compiled first if it is not there whole.

    Its name ends in the digest of its bytes, by which one that a crash has cut short is known: loaded, it
    would end the process.
    """
    flags = compiling.flags(_machine_flag())
    folder, name = _cache_folder(), f"kernels-{_key(compiler, flags)}"
    with locked(str(folder / f"{name}.lock")):
        for path in sorted(folder.glob(f"{name}-*.so")):
            if _is_own(path) and path.name == compiling.named(name, path):
                return path
            logging.warning(
                "%s is damaged or another user's: the kernels are compiled again.", path
            )
            path.unlink()
        return _compile(compiler, flags, folder, name)


def _compile(compiler: str, flags: list[str], folder: pathlib.Path, name: str) -> pathlib.Path:
    logging.info("compiling the kernels, once for this machine, to %s", folder)
    aside = folder / f".{name}.{os.getpid()}"
    try:
        compiling.compile_to(aside, compiler, flags)
        files.flush(aside)
        path = folder / compiling.named(name, aside)
        aside.replace(path)
        files.flush(folder)
    finally:
        aside.unlink(missing_ok=True)
    return path


def _cache_folder() -> pathlib.Path:
    """Returns the user's cache folder; a temporary one of this process where there can be none."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = pathlib.Path(caches, "brave_tf")
    # Without a home, `~` is not expanded; a relative path would make a cache in every working directory.
    if folder.is_absolute() and os.environ.get("HOME") != "":
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK) and _is_own(folder):
                return folder
    return pathlib.Path(_temporary_folder().name)


def _is_own(path: pathlib.Path) -> bool:
    """Returns whether a file or folder is this user's, and if so keeps others from changing what it holds.

    The code of a library that another user has put there would be run.
    """
    found = path.stat()
    own, others = found.st_uid == os.geteuid(), stat.S_IWGRP | stat.S_IWOTH
    if own and found.st_mode & others:
        path.chmod(stat.S_IMODE(found.st_mode) & ~others)
    return own


@functools.cache
def _temporary_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="brave_tf-")


def _key(compiler: str, flags: list[str]) -> str:
    """Returns what tells a library apart from those of other sources, versions and machines."""
    asked = [compiler, "--version"]
    version = subprocess.run(asked, capture_output=True, check=True, timeout=60).stdout
    parts = [*compiling.contents(), version, tf.__version__.encode(), " ".join(flags).encode()]
    return compiling.digest([*parts, _processor().encode()])


def _processor() -> str:
    """Returns what the processor can do: a folder may be shared by machines that differ in it."""
    with contextlib.suppress(OSError):
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return "".join(line for line in dict.fromkeys(lines) if line.startswith(("model", "flags")))
    return platform.processor()


def _machine_flag() -> str:
    return "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
