import ctypes
import glob
import os
import subprocess
import sys

import media

from brave_tf.data.media import ffmpeg4

CODECS_OF_BOTH = """
from brave_tf.data.media import tfio
assert tfio.can_decode_video()
import sys, pathlib, numpy as np
import media
folder = pathlib.Path(sys.argv[1])
for name, codec in (("a.webm", "libvpx-vp9"), ("b.mp4", "libx264")):
    path = media.write_video(folder / name, media.moving_texture(8), codec=codec)
    assert tfio.decode_video(path.read_bytes()).shape == (8, 48, 64, 3)
for line in open("/proc/self/maps"):
    assert "[stack]" not in line or "x" not in line.split()[1], line
"""


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def test_pyav_keeps_its_own_codecs_and_the_stack_is_not_made_executable(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(media.__file__))
    done = run("-c", CODECS_OF_BOTH, str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_a_library_is_found_by_the_name_that_it_was_given(tmp_path):
    folder = ffmpeg4._decord_folder()
    (library,) = glob.glob(f"{folder}/libz-*")
    renamed = tmp_path / "libgiven.so.7"
    with open(library, "rb") as file:
        data = file.read()
    renamed.write_bytes(ffmpeg4._renamed(data, os.path.basename(library), renamed.name))
    assert renamed.stat().st_size == len(data)
    ctypes.CDLL(str(renamed))
    renamed.unlink()
    version = ctypes.CDLL("libgiven.so.7").zlibVersion
    version.restype = ctypes.c_char_p
    assert version() == b"1.2.3"


def test_nothing_is_found_where_nothing_is(monkeypatch):
    monkeypatch.setattr(ffmpeg4, "_NEEDED", ("libnothing.so.1",))
    assert ffmpeg4.load.__wrapped__() is None
    monkeypatch.setattr(ffmpeg4, "_decord_folder", lambda: None)
    assert ffmpeg4.load.__wrapped__() is None
