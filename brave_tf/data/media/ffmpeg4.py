"""Makes tensorflow-io's video decoder work where the system does not have FFmpeg 4.

tensorflow-io is linked against libavformat.so.58 and libswscale.so.5, which later systems do not have. The
wheel of `decord` 0.6.0 carries these libraries under other names, such as libavformat-8b46ea57.so.58.20.100.
They are loaded from there, and then, for each name that tensorflow-io asks for, an otherwise empty library
that has this name and depends on the library with the other one. The dynamic linker takes a library that is
loaded under the right name for the right one, so no search path, and no file of the system, is changed.

    python -m brave_tf.data.media.ffmpeg4

says what was found, and whether tensorflow-io decodes video with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import glob
import importlib.util
import os
import struct
import sys
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
    _load_with_dependencies(paths[0], folder)
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, name)
        with open(path, "wb") as file:
            file.write(_alias(name, paths[0]))
        ctypes.CDLL(path)


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


def _alias(name: str, path: str) -> bytes:
    """Returns a shared library called `name` that holds nothing and depends on the one at `path`.

    An ELF file (System V ABI, chapters 4 and 5) of three headers, two strings and a dynamic section.

    Raises:
      OSError: the library is not of a 64-bit little-endian machine.
    """
    with open(path, "rb") as file:
        head = file.read(20)
    if head[:6] != b"\x7fELF\x02\x01":
        raise OSError(f"{path} is not a library of a 64-bit little-endian machine")
    header_size, segment_size, symbol_size = 64, 56, 24
    strings = b"\0" + os.path.basename(path).encode() + b"\0"
    name_at = len(strings)
    strings += name.encode() + b"\0"
    strings += bytes(-len(strings) % 8)
    symbols_at = header_size + 3 * segment_size
    strings_at = symbols_at + symbol_size
    dynamic_at = strings_at + len(strings)
    needed, soname = (1, 1), (14, name_at)
    tables = [(5, strings_at), (10, len(strings)), (6, symbols_at), (11, symbol_size), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in (needed, soname, *tables))
    size = dynamic_at + len(dynamic)
    read_write, machine = 6, head[18:20]
    header = struct.pack(
        "<HHIQQQIHHHHHH",
        *(3, *struct.unpack("<H", machine), 1, 0, header_size, 0, 0),
        *(header_size, segment_size, 3, 64, 0, 0),
    )
    segments = (
        (1, read_write, 0, 0, 0, size, size, 1 << 16),
        (2, read_write, *[dynamic_at] * 3, len(dynamic), len(dynamic), 8),
        (0x6474E551, read_write, 0, 0, 0, 0, 0, 16),  # The stack need not be executable.
    )
    packed = b"".join(struct.pack("<IIQQQQQQ", *segment) for segment in segments)
    return head[:16] + header + packed + bytes(symbol_size) + strings + dynamic


def main() -> int:
    """Says whether tensorflow-io finds FFmpeg 4 and decodes video; returns the exit code."""
    found = load()
    if found is None:
        print(f"FFmpeg 4 for tensorflow-io: not found; {ADVICE}")
        return 1
    print(f"FFmpeg 4 for tensorflow-io: found in {found}")
    from brave_tf import startup

    startup.import_tensorflow()
    from brave_tf.data.media import tfio

    works = tfio.can_decode_video()
    print(f"tensorflow-io decodes video: {'yes' if works else 'no'}")
    return 0 if works else 1


if __name__ == "__main__":
    sys.exit(main())
