import ctypes
import glob
import os
import subprocess
import sys

import media

from brave_tf.data.media import ffmpeg4

CODECS_OF_BOTH = """
from brave_tf.data import tfio
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


def test_the_command_says_what_was_found():
    done = run("-m", "brave_tf.data.media.ffmpeg4")
    assert done.returncode == 0, done.stderr
    assert "FFmpeg 4 for tensorflow-io: found in " in done.stdout
    assert "tensorflow-io decodes video: yes" in done.stdout


def test_pyav_keeps_its_own_codecs_and_the_stack_is_not_made_executable(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(media.__file__))
    done = run("-c", CODECS_OF_BOTH, str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_an_alias_gives_a_library_another_name(tmp_path):
    folder = ffmpeg4._decord_folder()
    (library,) = glob.glob(f"{folder}/libz-*")
    ctypes.CDLL(library)
    alias = tmp_path / "libaliased.so.7"
    alias.write_bytes(ffmpeg4._alias(alias.name, library))
    ctypes.CDLL(str(alias))
    alias.unlink()
    version = ctypes.CDLL("libaliased.so.7").zlibVersion
    version.restype = ctypes.c_char_p
    assert version() == b"1.2.3"


def test_nothing_is_found_where_nothing_is(monkeypatch):
    monkeypatch.setattr(ffmpeg4, "_NEEDED", ("libnothing.so.1",))
    assert ffmpeg4.load.__wrapped__() is None
    monkeypatch.setattr(ffmpeg4, "_decord_folder", lambda: None)
    assert ffmpeg4.load.__wrapped__() is None


def test_the_command_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(ffmpeg4, "load", lambda: None)
    assert ffmpeg4.main() == 1
    assert "not found; install the decord wheel" in capsys.readouterr().out
