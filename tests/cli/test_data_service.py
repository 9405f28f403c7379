"""Mistakes in starting the processes of a tf.data service."""

import contextlib
import subprocess
import sys

import command
import free_ports
import pytest

from brave_tf.cli import data_service


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
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
    (port,) = free_ports.find(1)
    assert command.run(data_service, "--role=worker", f"--dispatcher=localhost:{port}") == 2
    assert "--role=dispatcher --port=" in capsys.readouterr().err


@pytest.mark.parametrize(
    "role", [("--role=dispatcher",), ("--role=worker", "--dispatcher=localhost:1")]
)
def test_other_machines_are_let_in_only_where_that_is_asked_for(capsys, role):
    assert command.run(data_service, *role, "--host=0.0.0.0") == 2
    error = capsys.readouterr().err
    assert "no authentication" in error and "--insecure" in error


@pytest.mark.long
@pytest.mark.parametrize(
    ("flags", "told", "open_to"),
    [
        ((), "only processes of this machine", {"127.0.0.1"}),
        (("--host=127.0.0.2",), "only processes of this machine", {"127.0.0.2"}),
        (("--host=0.0.0.0", "--insecure"), "WHOEVER", {"127.0.0.1", "127.0.0.2"}),
    ],
)
def test_both_roles_listen_where_they_say(flags, told, open_to):
    port, other = free_ports.find(2)
    (address, *_) = open_to
    starts = [
        ("--role=dispatcher", f"--port={port}"),
        ("--role=worker", f"--port={other}", f"--dispatcher={address}:{port}"),
    ]
    with contextlib.ExitStack() as stack:
        for start, listens in zip(starts, (port, other)):
            words = [sys.executable, "-m", data_service.__name__, *start, *flags]
            process = stack.enter_context(
                subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)
            assert told in process.stdout.readline()
            assert {
                each for each in ("127.0.0.1", "127.0.0.2") if free_ports.answers(each, listens)
            } == open_to
