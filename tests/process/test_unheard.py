"""A process that waits where Python does not look is ended by signals, and says that it waits."""

import signal
import subprocess
import sys
import time

import pytest

COMMAND = """
import ctypes, hashlib, sys, time
from brave_tf.process import unheard
from brave_tf.cli import app
from brave_tf.process.progress import Progress

kind = sys.argv.pop()
unheard._TELL_AFTER, unheard._PATIENCE, app._CLEANING_SECONDS = 2.0, 2.0, 2.0


def wait_natively():
    # A lock that this thread holds already. Unlike Python's own, the wait goes on when a signal comes.
    lock, mutex = ctypes.CDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64)
    lock(mutex)
    lock(mutex)


def main(argv):
    with Progress(None, "reading shards"):
        print("started", flush=True)
        if kind == "computes":
            before = time.process_time()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 500_000)
            # One native call of 8 s, whatever the processor.
            rounds = int(500_000 * 8 / (time.process_time() - before))
            hashlib.pbkdf2_hmac("sha256", b"", b"", rounds)
        elif kind == "cleans up":
            try:
                time.sleep(60)
            finally:
                wait_natively()
        else:
            wait_natively()


app.run(main, "a sample", waits=kind == "waits for others")
"""
TOLD = "reading shards: waiting for a file system, the network or another process for "


@pytest.fixture
def start(tmp_path):
    """Starts the command in one way; gives the process once it works."""
    (tmp_path / "it.py").write_text(COMMAND)
    started = []

    def run(kind):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "it.py"), kind], text=True, **pipes
        )
        started.append(process)
        assert process.stdout.readline() == "started\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("kind", ["waits", "cleans up", "waits for others"])
def test_a_signal_ends_what_waits_in_native_code(start, kind, signum, code):
    process = start(kind)
    time.sleep(1)
    process.send_signal(signum)
    shown = process.communicate(timeout=30)[1]
    assert process.returncode == code
    assert f"{signal.Signals(signum).name}: ended reading shards, after " in shown
    assert "Traceback" not in shown


def test_what_computes_comes_to_the_signal_itself(start):
    process = start("computes")
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    shown = process.communicate(timeout=120)[1]
    # Longer than an idle process has.
    assert time.monotonic() - begun > 2.5
    assert (process.returncode, shown) == (143, "\ninterrupted\n")


def test_a_wait_is_told_and_again_after_twice_the_time(start):
    process = start("waits")
    lines = [process.stderr.readline() for _ in range(2)]
    seconds = [float(line.removeprefix(TOLD).removesuffix(" s\n")) for line in lines]
    assert 2 <= seconds[0] < 4 <= seconds[1] < 8


def test_of_a_command_that_is_there_to_wait_nothing_is_told(start):
    process = start("waits for others")
    time.sleep(5)
    process.send_signal(signal.SIGTERM)
    assert TOLD not in process.communicate(timeout=30)[1]
