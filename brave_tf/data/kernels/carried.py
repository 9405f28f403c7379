"""Libraries of the kernels that a wheel carries, for processors of several widths of vectors.

They are for Linux on x86-64. setup.py makes them where it finds TensorFlow and a compiler.
"""

from __future__ import annotations

import pathlib
import platform
import shutil
import subprocess

import tensorflow as tf
from absl import logging

from brave_tf.data.kernels import compiling

_FOLDER = "prebuilt"
# A product and a sum are rounded one after the other, since not every processor can do both at once: what a
# wheel carries computes the same on all of them.
_ALIKE = "-ffp-contract=off"
# What the levels of the x86-64 ABI need, as /proc/cpuinfo names it.
_V2 = {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}
_V3 = _V2 | {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}
_V4 = _V3 | {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}
# The widest first.
LEVELS = {"x86-64-v4": _V4, "x86-64-v3": _V3, "x86-64-v2": _V2}


def build(kernels: pathlib.Path, compiler: str) -> None:
    """Makes the libraries of all levels.

    Args:
      kernels: folder of the kernels in the wheel; the libraries are put into a folder in it.
      compiler: a command that knows the levels, such as GCC 11 or Clang 12, or later.

    Raises:
      RuntimeError: the compiler fails.
    """
    folder = kernels / _FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # Errors name the places of sources, which are not to be those of the machine that builds.
    places = {compiling.SOURCES: "kernels", tf.sysconfig.get_include(): "include"}
    unnamed = [f"-ffile-prefix-map={place}={name}" for place, name in places.items()]
    for level in LEVELS:
        aside = folder / f".{level}"
        try:
            compiling.compile_to(
                aside, compiler, compiling.flags(f"-march={level}", _ALIKE, *unnamed)
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise RuntimeError(
                f"{compiler} cannot compile the kernels for {level}: {compiling.first_error(error)}. Take "
                "GCC 11 or Clang 12, or later, with its standard library, or set BRAVE_TF_PURE=1 for a "
                "wheel without compiled kernels."
            ) from error
        aside.replace(folder / compiling.named(_name(level), aside))


def find() -> pathlib.Path | None:
    """Returns the library for this processor, this TensorFlow and these sources; None without one."""
    level = _level()
    folder = compiling.SOURCES / _FOLDER
    if level is None or not folder.is_dir():
        return None
    name = _name(level)
    for path in sorted(folder.glob(f"{name}-*.so")):
        if path.name == compiling.named(name, path):
            return path
        logging.warning("%s is damaged and is not used; install the package again.", path)
    return None


def _name(level: str) -> str:
    # Where TensorFlow lies does not matter, but how its own libraries were compiled does.
    flags = [flag for flag in compiling.flags(_ALIKE) if not flag.startswith("-I")]
    key = compiling.digest([*compiling.contents(), " ".join(flags).encode()])
    return f"kernels-tf{tf.__version__}-{level}-{key}"


def _level() -> str | None:
    """Returns the highest level that the processor and the system have."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return None
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    found = next((line.split() for line in lines if line.startswith("flags")), [])
    return next((level for level, needed in LEVELS.items() if needed <= set(found)), None)
