"""The processes of a tf.data service, and a run that uses them."""

import contextlib
import signal
import socket
import subprocess
import sys

import command
import pytest
import tensorflow as tf
import tiny_run

from brave_tf import config
from brave_tf.cli import data_service
from brave_tf.training import run


@contextlib.contextmanager
def started(*arguments, end=signal.SIGTERM):
    """Starts a process and gives its first line; ends it, and checks that it ended well."""
    process = subprocess.Popen(
        [sys.executable, "-m", data_service.__name__, "--host=localhost", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process.stdout.readline()
        process.send_signal(end)
        assert process.wait(60) == 0
        assert process.stdout.read() == "stopped\n"
    finally:
        process.kill()


def free_port():
    with socket.socket() as sock:
        sock.bind(("localhost", 0))
        return sock.getsockname()[1]


@pytest.mark.long
def test_trains_on_what_two_worker_processes_decode(tmp_path):
    records = tiny_run.write_records(tmp_path / "records")
    port = free_port()
    with started("--role=dispatcher", f"--port={port}", end=signal.SIGINT) as line:
        assert f"train.data_service = 'grpc://localhost:{port}'" in line
        worker = ("--role=worker", f"--dispatcher=localhost:{port}")
        with started(*worker) as one, started(*worker) as two:
            assert "worker" in one and "worker" in two
            binding = f"train.data_service = 'grpc://localhost:{port}'"
            config.load_config([str(tiny_run.write_recipe(tmp_path, records))], [binding])
            assert run.train(str(tmp_path / "run"))
    assert tf.train.latest_checkpoint(str(tmp_path / "run" / "checkpoints")).endswith("step-6")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "--role is missing"),
        (("--role=boss",), "dispatcher|worker"),
        (("--role=worker",), "--dispatcher"),
        (("--role=dispatcher", "--dispatcher=localhost:1"), "--dispatcher"),
        (("--role=worker", "--dispatcher=nowhere"), "HOST:PORT"),
    ],
)
def test_mistakes_end_with_2_and_are_named(capsys, arguments, expected):
    assert command.run(data_service, *arguments) == 2
    assert expected in capsys.readouterr().err


def test_a_worker_without_dispatcher_says_so(capsys):
    assert command.run(data_service, "--role=worker", f"--dispatcher=localhost:{free_port()}") == 2
    assert "--role=dispatcher --port=" in capsys.readouterr().err
