"""How the kernels are compiled: on a user's machine for its processor, or for a wheel."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess

SOURCES = pathlib.Path(__file__).resolve().parent
COMPILERS = ("c++", "g++", "clang++")
# Floating point as it is, but for what vector code cannot do: errno and traps.
_FLAGS = ("-shared", "-fPIC", "-O3", "-fno-math-errno", "-fno-trapping-math")
_SECONDS = 600


def compiler() -> str | None:
    """Returns the C++ compiler that `CXX` names, or else one of `COMPILERS`; None without any."""
    return next(filter(shutil.which, [os.environ.get("CXX") or "", *COMPILERS]), None)


def flags(*machine: str) -> list[str]:
    """Returns the flags of the compiler, with those that choose the processor."""
    import tensorflow as tf  # Not needed to look for a compiler, as setup.py does each time.

    return [*_FLAGS, *machine, *tf.sysconfig.get_compile_flags()]


def contents() -> list[bytes]:
    """Returns the contents of all sources, in an order that does not change."""
    paths = sorted(SOURCES.glob("*.cc")) + sorted(SOURCES.glob("*.h"))
    return [path.read_bytes() for path in paths]


def digest(parts: list[bytes]) -> str:
    """Returns 16 hexadecimal digits for what tells one library from another."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def compile_to(path: pathlib.Path, compiler: str, flags: list[str]) -> None:
    """Compiles all sources to one library.

    Args:
      path: of the library.
      compiler: a command, see `compiler`.
      flags: see `flags`.

    Raises:
      OSError, subprocess.SubprocessError: it cannot be compiled, or not in ten minutes.
    """
    import tensorflow as tf

    includes = "".join(f'#include "{source}"\n' for source in sorted(SOURCES.glob("*.cc")))
    subprocess.run(
        [compiler, "-x", "c++", "-", *flags, "-o", str(path), *tf.sysconfig.get_link_flags()],
        input=includes,
        capture_output=True,
        text=True,
        check=True,
        timeout=_SECONDS,
    )


def first_error(error: Exception) -> str:
    """Returns the line of what a compiler, or another, has written that says what is wrong."""
    lines = (getattr(error, "stderr", None) or str(error)).splitlines()
    return next((line for line in lines if "error" in line), lines[0] if lines else repr(error))


def named(name: str, path: pathlib.Path) -> str:
    """Returns the name that a library has when its bytes are those at `path`.

    It ends in their digest, by which one that a crash has cut short is known: loaded, it would end the
    process.
    """
    return f"{name}-{digest([path.read_bytes()])}.so"
