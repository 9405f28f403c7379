import errno
import fcntl
import os
import subprocess
import sys
import threading
import time

import pytest

from brave_tf.errors import UserError
from brave_tf.storage.locks import locked

HOLD = """
import sys
from brave_tf.storage.locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold_elsewhere(path):
    """Starts a process that holds the lock until its input is closed."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], text=True, **pipes)
    assert process.stdout.readline() == "held\n"
    return process


def test_lock_of_another_process(tmp_path):
    path = tmp_path / "lock"
    with hold_elsewhere(path) as other:
        with pytest.raises(BlockingIOError), locked(str(path), wait=False):
            pass
        threading.Timer(0.3, other.stdin.close).start()
        with locked(str(path)):
            assert other.wait(timeout=300) == 0
            assert path.exists()
    assert not path.exists()


def test_a_wait_for_another_process_has_a_limit(tmp_path):
    path = tmp_path / "lock"
    with hold_elsewhere(path) as other:
        begun = time.monotonic()
        expected = pytest.raises(UserError, match=f"has held {path} for too long")
        with expected, locked(str(path), patience=0.5):
            pass
        assert 0.5 <= time.monotonic() - begun < 30
        other.stdin.close()
        other.wait(timeout=300)


def test_lock_of_a_killed_process_is_free(tmp_path):
    path = tmp_path / "lock"
    with hold_elsewhere(path) as other:
        other.kill()
        other.wait()
        assert path.exists()
        with locked(str(path), wait=False):
            pass
    assert not path.exists()


def test_a_lock_of_the_same_name_in_a_new_folder_is_left_alone(tmp_path):
    """A folder may be moved away under a process, and another one work in a new one of its name."""
    folder, path = tmp_path / "run", tmp_path / "run" / "lock"
    folder.mkdir()
    with locked(str(path)):
        folder.rename(tmp_path / "moved")
        folder.mkdir()
        other = hold_elsewhere(path)
    with other:
        with pytest.raises(BlockingIOError), locked(str(path), wait=False):
            pass
        other.stdin.close()
        assert other.wait(timeout=300) == 0


def test_lock_whose_file_was_removed_while_waiting(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    real, handles = fcntl.flock, []

    def flock(handle, how):
        handles.append(os.fstat(handle).st_ino)
        if len(handles) == 1:
            path.rename(tmp_path / "removed by its holder")
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(str(path)):
        assert len(handles) == 2 and path.stat().st_ino == handles[1] != handles[0]


def test_file_system_without_locks(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(str(tmp_path / "lock"), wait=False):
        pass


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("old")
    for name, target in (("a.lock", "mine"), ("b.lock", "none")):
        (tmp_path / name).symlink_to(tmp_path / target)
        with pytest.raises(OSError), locked(str(tmp_path / name), said="new"):
            raise AssertionError("it is held")
    assert (tmp_path / "mine").read_text() == "old" and not (tmp_path / "none").exists()


def test_what_it_says_takes_the_place_of_what_was_left_there(tmp_path):
    path = tmp_path / "a.lock"
    path.write_text("somebody who is no more")
    with locked(str(path), said="me"):
        assert path.read_text() == "me"
    assert not path.exists()
