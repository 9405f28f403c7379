"""Ports of this machine: some at which nothing listens, and whether anything answers at one."""

from __future__ import annotations

import contextlib
import socket


def find(count: int) -> list[int]:
    """Returns so many different ports at which nothing listens."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]


def answers(address: str, port: int) -> bool:
    """Whether anything accepts a connection at a port within a second."""
    try:
        socket.create_connection((address, port), 1.0).close()
    except OSError:
        return False
    return True
