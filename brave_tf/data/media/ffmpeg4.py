"""Makes tensorflow-io's video decoder work where the system does not have FFmpeg 4.

tensorflow-io is linked against libavformat.so.58 and libswscale.so.5, which later systems do not have. The
wheel of `decord` 0.6.0 carries these libraries under other names, such as libavformat-8b46ea57.so.58.20.100.
Copies of them that bear the right names are loaded from a temporary folder. The dynamic linker takes what is
loaded under the name that it looks for, so no search path, and no file of the system, is changed.

`python -m brave_tf.data.media.tfio` says what was found.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import glob
import importlib.util
import os
import tempfile

# What tensorflow-io's decoder is linked against; these depend on the rest of FFmpeg.
_NEEDED = ("libavformat.so.58", "libswscale.so.5")
ADVICE = (
    "install the decord wheel, which carries them (pip install 'brave_tf[ffmpeg4]'), or FFmpeg 4 "
    "(libavformat58 and libswscale5 of Debian 11, Ubuntu 20.04 and 22.04)"
)


@functools.cache
def load() -> str | None:
    """Loads FFmpeg 4, for tensorflow-io to find; must come before its decoder is first used.

    Returns:
      Where it was found, 'the system' or a folder; None when it is nowhere.
    """
    # tensorflow-io makes its libraries visible to all that are loaded later. PyAV's must not take their
    # codecs for its own.
    import av  # noqa: F401

    with contextlib.suppress(OSError):
        for name in _NEEDED:
            ctypes.CDLL(name)
        return "the system"
    folder = _decord_folder()
    if folder is None:
        return None
    with contextlib.suppress(OSError):
        for name in _NEEDED:
            _load_as(name, folder)
        return folder
    return None


def _decord_folder() -> str | None:
    spec = importlib.util.find_spec("decord")
    if spec is None or spec.origin is None:
        return None
    folder = os.path.join(os.path.dirname(os.path.dirname(spec.origin)), "decord.libs")
    return folder if os.path.isdir(folder) else None


def _load_as(name: str, folder: str) -> None:
    """Loads a library of `folder` in such a way that it is found by `name`, such as libswscale.so.5."""
    stem, version = name.split(".so.")
    paths = glob.glob(os.path.join(glob.escape(folder), f"{stem}-*.so.{version}.*"))
    if not paths:
        raise OSError(f"{folder} holds no {name}")
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, name)
        with open(paths[0], "rb") as library, open(path, "wb") as copy:
            copy.write(_renamed(library.read(), os.path.basename(paths[0]), name))
        _load_with_dependencies(path, folder)


def _renamed(library: bytes, name: str, shorter: str) -> bytes:
    """Returns a shared library that calls itself otherwise: its name stands in it, ended by a zero."""
    return library.replace(name.encode() + b"\0", shorter.encode().ljust(len(name) + 1, b"\0"))


def _load_with_dependencies(path: str, folder: str) -> None:
    """Loads a library after those of the same folder that it depends on."""
    while True:
        try:
            ctypes.CDLL(path)
            return
        except OSError as error:
            # "libavutil-2b26904a.so.56.22.100: cannot open shared object file: No such file or directory"
            missing = os.path.join(folder, str(error).split(":")[0])
            if missing == path or not os.path.isfile(missing):
                raise
        _load_with_dependencies(missing, folder)
