import functools
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import gin
import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.kernels import compiling, library

COMPILE = """
import pathlib
from brave_tf.process import startup
startup.import_tensorflow()
from brave_tf.data.kernels import compiling, library
with library.compiled_kernels():
    print(library.operations() is not None)
"""


@pytest.fixture
def operations():
    with library.compiled_kernels():
        found = library.operations()
    if found is None:
        pytest.skip("this machine has no C++ compiler")
    return found


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder with nothing in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "brave_tf"


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_operations_are_there_inside_only(operations):
    assert library.operations() is None
    with library.compiled_kernels():
        assert library.operations() is operations
        with library.compiled_kernels(enabled=False):
            assert library.operations() is None
        assert library.operations() is operations
    assert library.operations() is None


def test_a_binding_turns_them_off():
    gin.parse_config("compiled_kernels.enabled = False")
    with library.compiled_kernels():
        assert library.operations() is None


def test_processes_compile_once_and_leave_nothing_else(operations, cache):
    command = [sys.executable, "-c", COMPILE]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in started] == ["True\n"] * 2
    (path,) = cache.iterdir()
    assert path.suffix == ".so"
    before = path.stat()
    assert subprocess.run(command, capture_output=True, text=True).stdout == "True\n"
    assert (path.stat().st_ino, path.stat().st_mtime) == (before.st_ino, before.st_mtime)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:5000])


def one_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def writing(tmp_path):
    """A compiler that writes a text where the argument after -o says."""
    text = 'while [ $# -gt 0 ]; do [ "$1" = -o ] && seq 9999 > "$2"; shift; done'
    return script(tmp_path / "writing", text)


@pytest.mark.parametrize(
    "damage", [cut_short, one_bit, lambda path: path.write_bytes(b"")], ids=["cut", "bit", "empty"]
)
def test_a_damaged_library_is_compiled_again(cache, writing, damage, caplog):
    path = library._library(writing)
    whole = path.read_bytes()
    damage(path)
    assert library._library(writing) == path
    assert "damaged" in caplog.text
    assert path.read_bytes() == whole and list(cache.iterdir()) == [path]


def test_a_library_that_was_cut_short_does_not_end_the_process(operations, cache):
    cut_short(library._library(os.environ.get("CXX") or "c++"))
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "True\n")


def test_a_library_is_on_the_disk_before_it_has_its_name(cache, writing, monkeypatch):
    steps = []
    flush, replace = library.files.flush, pathlib.Path.replace
    monkeypatch.setattr(
        library.files, "flush", lambda path: (steps.append(f"flush {path.name}"), flush(path))
    )
    monkeypatch.setattr(
        pathlib.Path,
        "replace",
        lambda self, to: (steps.append(f"name {to.name}"), replace(self, to)),
    )
    path = library._library(writing)
    assert steps[1:] == [f"name {path.name}", "flush brave_tf"]
    assert steps[0].startswith("flush .kernels-") and list(cache.iterdir()) == [path]


def test_others_cannot_change_the_cache(cache, writing):
    before = os.umask(0)
    try:
        path = library._library(writing)
        cache.chmod(0o777)
        assert library._library(writing) == path
    finally:
        os.umask(before)
    assert (cache.stat().st_mode | path.stat().st_mode) & 0o022 == 0


def test_what_another_user_has_put_there_is_not_loaded(cache, writing, monkeypatch, caplog):
    path = library._library(writing)
    user = os.geteuid()
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: user + 1)
        assert library._library(writing).parent != cache
    real = pathlib.Path.stat

    def foreign(self, **options):
        found = real(self, **options)
        return found if self != path else os.stat_result((*found[:4], user + 1, *found[5:]))

    monkeypatch.setattr(pathlib.Path, "stat", foreign)
    assert path.exists() and library._library(writing) == path
    assert "another user's" in caplog.text


def test_without_a_compiler_there_are_none(cache, monkeypatch, caplog):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    assert library._load.__wrapped__() is None
    assert "no C++ compiler (c++, g++, clang++, or the one named by CXX)" in caplog.text


def test_a_compiler_that_fails_is_told_of_once_and_leaves_nothing(
    cache, monkeypatch, caplog, tmp_path
):
    failing = script(
        tmp_path / "failing",
        '[ "$1" = --version ] && exit; echo first >&2; echo "a.cc: error: no header" >&2; exit 1',
    )
    monkeypatch.setenv("CXX", failing)
    assert library._load.__wrapped__() is None
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "a.cc: error: no header" in record.getMessage()
    assert list(cache.iterdir()) == []


def test_a_library_that_cannot_be_loaded_is_told_of(cache, monkeypatch, caplog, tmp_path):
    # Writes something else than a library where the last argument but the link flags says.
    writing = script(
        tmp_path / "writing",
        'while [ $# -gt 0 ]; do [ "$1" = -o ] && echo nothing > "$2"; shift; done',
    )
    monkeypatch.setenv("CXX", writing)
    assert library._load.__wrapped__() is None
    assert "cannot be compiled or loaded" in caplog.text


def test_a_cache_that_cannot_be_written_is_replaced_by_a_folder_of_the_process(
    tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = library._cache_folder()
    assert folder.is_dir() and os.access(folder, os.W_OK)
    assert not folder.is_relative_to(tmp_path)
    assert library._cache_folder() == folder


@pytest.mark.parametrize(
    ("home", "xdg"), [(None, None), ("", None), ("relative", None), (None, "relative")]
)
def test_without_a_home_the_cache_is_a_folder_of_the_process(home, xdg, tmp_path, monkeypatch):
    """As for a user whom the machine does not know, in a container."""

    def unknown(*_):
        raise KeyError("no such user")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name, value in (("HOME", home), ("XDG_CACHE_HOME", xdg)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    at_root = pathlib.Path("/.cache/brave_tf")
    before = at_root.exists()
    folder = library._cache_folder()
    assert folder.is_relative_to(tempfile.gettempdir()) and os.access(folder, os.W_OK)
    assert list(tmp_path.iterdir()) == []
    assert folder != at_root and at_root.exists() == before


def test_libraries_of_other_flags_compilers_and_processors_have_other_names(monkeypatch, tmp_path):
    one = script(tmp_path / "one", "echo one 1.0")
    names = {
        library._key(one, ["-O3"]),
        library._key(one, ["-O2"]),
        library._key(script(tmp_path / "two", "echo two 2.0"), ["-O3"]),
    }
    monkeypatch.setattr(library, "_processor", lambda: "another")
    names.add(library._key(one, ["-O3"]))
    assert len(names) == 4
    monkeypatch.undo()
    assert library._key(one, ["-O3"]) in names


@pytest.mark.parametrize("changed", ["blur.cc", "resize.cc", "frames.h", "new.cc", "new.h"])
def test_a_library_of_other_sources_has_another_name(changed, monkeypatch, tmp_path):
    compiler = script(tmp_path / "one", "echo one 1.0")
    before = library._key(compiler, [])
    copy = shutil.copytree(compiling.SOURCES, tmp_path / "kernels")
    monkeypatch.setattr(compiling, "SOURCES", copy)
    assert library._key(compiler, []) == before
    with (copy / changed).open("a") as file:
        file.write("// Another.\n")
    assert library._key(compiler, []) != before


WRONG = {
    "pixels of two channels": ("resize_frames", [[np.zeros((1, 2, 2, 2), np.uint8)], [2, 2]]),
    "no pixels": ("resize_frames", [[np.zeros((1, 0, 2, 3), np.uint8)], [2, 2]]),
    "frames of two sizes": (
        "resize_frames",
        [[np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 2, 3, 3), np.uint8)], [2, 2]],
    ),
    "no height": ("resize_frames", [[np.zeros((1, 2, 2, 3), np.uint8)], [0, 2]]),
    "three sides": ("resize_frames", [[np.zeros((1, 2, 2, 3), np.uint8)], [2, 2, 3]]),
    "even taps": ("blur_frames", [np.zeros((1, 2, 2, 3), np.float32), [0.5, 0.5]]),
    "one image": ("blur_frames", [np.zeros((2, 2, 3), np.float32), [1.0]]),
    "four channels": ("flip_frames", [np.zeros((1, 2, 2, 4), np.float32)]),
    "color of flow": ("change_color", [np.zeros((1, 2, 2, 2), np.float32), [0.0] * 4]),
    "three changes": ("change_color", [np.zeros((1, 2, 2, 3), np.float32), [0.0] * 3]),
    "biases of two frames": (
        "mix_colors",
        [np.zeros((1, 2, 2, 3), np.float32), np.eye(3, dtype=np.float32), [[0.0] * 3] * 2],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_shapes_are_errors(operations, name):
    function, values = WRONG[name]
    call = getattr(operations, f"brave_tf_{function}")
    if function == "resize_frames":
        call = functools.partial(call, highest=1.0)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        call(*values)


@pytest.mark.parametrize("function", ["blur_frames", "flip_frames", "change_color"])
def test_a_clip_without_frames_stays_one(operations, function):
    more = {"blur_frames": [[1.0]], "change_color": [[0.0] * 4]}.get(function, [])
    none = np.zeros((0, 4, 5, 3), np.float32)
    assert getattr(operations, f"brave_tf_{function}")(none, *more).shape == none.shape
