import contextlib
import errno
import gc
import hashlib
import io
import json
import os
import re
import resource
import shutil
import tracemalloc
import zipfile
from concurrent import futures

import numpy as np
import pytest
import waiting_pipes

from brave_tf.storage import files


def test_replacing_leaves_the_new_content_and_nothing_else(tmp_path):
    target = tmp_path / "deep" / "results.txt"
    for text in ("first", "second"):
        with files.replacing(target) as aside:
            aside.write_text(text)
            assert not target.exists() or target.read_text() == "first"
        assert target.read_text() == text
        assert os.listdir(target.parent) == ["results.txt"]


def test_replacing_keeps_the_old_content_when_the_body_fails(tmp_path):
    target = tmp_path / "results.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), files.replacing(target) as aside:
        aside.write_text("half of the n")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["results.txt"]


def test_replacing_says_when_the_folder_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), files.replacing(tmp_path / "file" / "results.txt"):
        raise AssertionError("there is nowhere to write")


def test_processes_of_the_same_number_write_different_files(tmp_path):
    """As in containers, which see the same folder."""
    target = tmp_path / "results.txt"
    with files.replacing(target) as one:
        with files.replacing(target) as other:
            one.write_text("one")
            other.write_text("other")
        assert target.read_text() == "other"
    assert target.read_text() == "one"
    assert os.listdir(tmp_path) == ["results.txt"]


def test_several_may_check_a_folder_at_once(tmp_path):
    def check(_):
        for _ in range(300):
            files.check_writable(tmp_path, "output")

    with futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(check, range(4)))
    assert os.listdir(tmp_path) == []


def test_json_is_read_back(tmp_path):
    contents = {"name": "é", "values": [1, 2.5, None]}
    files.write_json(tmp_path / "a.json", contents)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == contents


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**21 + 3])
def test_sha256(tmp_path, size):
    content = os.urandom(size)
    (tmp_path / "a").write_bytes(content)
    assert files.sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_read_back(tmp_path, compressed):
    arrays = {"a": np.arange(2000), "b": np.array("text")}
    files.write_arrays(tmp_path / "a.npz", arrays, compressed)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert found["a"].tolist() == list(range(2000)) and str(found["b"]) == "text"
    assert ((tmp_path / "a.npz").stat().st_size < 8000) == compressed


@pytest.mark.filterwarnings("error")
def test_arrays_that_cannot_be_written_leave_nothing(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            files.write_arrays(tmp_path / "a.npz", {"a": np.arange(2000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_what_was_not_written_is_told_with_the_space_on_its_disk(tmp_path):
    path = tmp_path / "not" / "there" / "file"
    with pytest.raises(files.NotWrittenError) as told, files.told(path, "All else is kept."):
        raise OSError(errno.ENOSPC, "No space left on device")
    text = str(told.value)
    assert text.startswith(f"{path} could not be written (No space left on device); ")
    free = float(re.search(r"([\d,.]+) MB are free", text)[1].replace(",", ""))
    assert free == pytest.approx(shutil.disk_usage(tmp_path).free / 1e6, rel=0.05)
    assert text.endswith("All else is kept.")


def test_a_lock_of_another_process_is_no_failure_to_write(tmp_path):
    with pytest.raises(BlockingIOError), files.told(tmp_path, ""):
        raise BlockingIOError


def test_what_has_no_end_is_no_file(tmp_path):
    with waiting_pipes.unwritten(tmp_path / "pipe"):
        for path in (tmp_path / "pipe", "/dev/zero"):
            with pytest.raises(
                files.UserError, match="(pipe|zero) is a pipe, a socket or a device"
            ):
                files.check_ends(path)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link", ".", "missing", "file/below"):
        files.check_ends(tmp_path / name)
    files.check_ends("gs://bucket/file")


def test_a_small_file_is_read_where_memory_is_short(tmp_path):
    """No more is asked for than there is: limits are far above the files that are meant."""
    (tmp_path / "a.json").write_text("[1]")
    tracemalloc.start()
    try:
        assert files.read_json(tmp_path / "a.json") == [1]
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
    (tmp_path / "long").write_bytes(b"1" * 3_000_000)
    assert files.read_small(tmp_path / "long", 3_000_000) == b"1" * 3_000_000
    with pytest.raises(OSError, match="more than 2,999,999 bytes"):
        files.read_small(tmp_path / "long", 2_999_999)


def test_nothing_is_written_through_a_link(tmp_path):
    mine, shared = tmp_path / "mine", tmp_path / "shared"
    mine.write_text("old")
    shared.mkdir()
    for name in ("a.json", ".writable", f".a.json.{os.getpid()}"):
        (shared / name).symlink_to(mine)
    files.check_writable(shared, "output")
    files.write_json(shared / "a.json", [1])
    assert mine.read_text() == "old"
    assert not (shared / "a.json").is_symlink() and files.read_json(shared / "a.json") == [1]


def _npz(path, header=None, **members):
    """Writes an archive of raw bytes, or of an array of which nothing but the header is there."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
        if header is not None:
            content = io.BytesIO()
            np.lib.format.write_array_header_1_0(content, header)
            archive.writestr("a.npy", content.getvalue())


HEADER = {"descr": "<f4", "fortran_order": False}


@pytest.mark.parametrize(
    "make",
    [
        lambda p: _npz(p, {**HEADER, "shape": (10**15,)}),
        lambda p: _npz(p, {**HEADER, "shape": (-1,)}),
        lambda p: _npz(p, {**HEADER, "shape": (2**62, 2**62)}),
        lambda p: _npz(p, {**HEADER, "descr": "|O", "shape": (1,)}),
        lambda p: _npz(p, a=bytes(2**21)),
        lambda p: _npz(p, a=b"no array"),
        lambda p: p.write_bytes(b""),
        lambda p: p.write_bytes(b"PK\x03\x04" + bytes(50)),
        lambda p: np.savez(p, a=np.array([{}], object)),
    ],
)
def test_archives_that_hold_no_arrays_are_refused(tmp_path, make):
    make(tmp_path / "a.npz")
    with pytest.raises(ValueError):
        files.read_arrays(tmp_path / "a.npz", most=2**20)


def test_archives_with_damage_in_the_middle_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.arange(9999))
    whole = path.read_bytes()
    for place in (8, 30, 200, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(ValueError):
            assert files.read_arrays(path)["a"].tolist() == list(range(9999))


def test_an_archive_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(OSError, match="no plain file"):
        files.read_arrays(tmp_path / "a.npz")


def test_arrays_of_others_are_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.arange(3.0), b=np.array(["x"]))
    found = files.read_arrays(tmp_path / "a.npz")
    assert found["a"].tolist() == [0, 1, 2] and found["b"].tolist() == ["x"]
