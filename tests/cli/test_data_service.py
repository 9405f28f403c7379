"""Mistakes in starting the processes of a tf.data service."""

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
