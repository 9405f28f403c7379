import errno
import fcntl
import os
import subprocess
import sys

import pytest

from brave_tf.locks import locked

HOLD = """
import sys, time
from brave_tf.locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold_elsewhere(path, seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_lock_of_another_process(tmp_path):
    path = tmp_path / "lock"
    with hold_elsewhere(path, 1.0) as other:
        with pytest.raises(BlockingIOError), locked(str(path), wait=False):
            pass
        with locked(str(path)):
            assert other.wait(timeout=30) == 0
            assert path.exists()
    assert not path.exists()


def test_lock_of_a_killed_process_is_free(tmp_path):
    path = tmp_path / "lock"
    with hold_elsewhere(path, 60) as other:
        other.kill()
        other.wait()
        assert path.exists()
        with locked(str(path), wait=False):
            pass
    assert not path.exists()


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
