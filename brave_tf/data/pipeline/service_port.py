"""Who can reach the port of a tf.data service, whose protocol knows no authentication.

TensorFlow listens on all interfaces, and nothing in its API names an address. So the socket that it has
opened is given a filter of the kernel's: packets to other addresses than those that are meant are dropped, as
by a firewall, and as if it were bound to these alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Union

from brave_tf.errors import UserError

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# Of Linux' asm-generic/socket.h and linux/filter.h; the offset is that at which a filter sees the IP header.
_SO_ATTACH_FILTER = 26
_IP_HEADER = 0xFFF00000
_LOAD, _LOAD_BYTE, _SHIFT_RIGHT, _IF_EQUAL, _RETURN = 0x20, 0x30, 0x74, 0x15, 0x06
_DESTINATION = {4: _IP_HEADER + 16, 6: _IP_HEADER + 24}
_WHOLE, _NOTHING = 0xFFFFFFFF, 0


class Reach(NamedTuple):
    """Where a process of a service is to be reached.

    Attributes:
      name: by which other processes are told to find it.
      addresses: of this machine, at which it answers; none for all of them.
    """

    name: str
    addresses: Sequence[Address]

    @property
    def local(self) -> bool:
        """Whether only processes of this machine reach it."""
        return bool(self.addresses) and all(each.is_loopback for each in self.addresses)

    def __str__(self) -> str:
        if self.local:
            return "only processes of this machine can reach it"
        where = ", ".join(map(str, self.addresses)) or "any address of this machine"
        return (
            f"WHOEVER can reach {where} can use it, without a password, and have its workers read and write "
            "files: keep others out by a firewall"
        )


def reach(host: str, insecure: bool) -> Reach:
    """Returns where a process is to be reached.

    Args:
      host: name or address of this machine; '0.0.0.0' or '::' for all its addresses.
      insecure: whether addresses will do that other machines may reach.

    Raises:
      UserError: the name is not one of this machine, or others may reach it and that is not allowed.
    """
    addresses = _resolve(host)
    everywhere = any(each.is_unspecified for each in addresses)
    found = Reach(socket.gethostname() if everywhere else host, () if everywhere else addresses)
    if not (found.local or insecure):
        raise UserError(
            f"--host={host} is not a loopback address: the protocol of tf.data services has no "
            "authentication, and whoever reaches the port can have workers read and write files. Where a "
            "firewall or network policy lets only trusted machines in, add --insecure; otherwise leave out "
            "--host, and connect the machines by SSH tunnels."
        )
    return found


def confine(port: int, addresses: Sequence[Address]) -> None:
    """Has the sockets with which this process listens at a port answer at these addresses alone.

    Raises:
      UserError: the system has no such filters.
    """
    code = _filter(addresses)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(buffer))
    confined = 0
    try:
        for sock in _listening(port):
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
            confined += 1
    except OSError as error:
        raise _unconfined(port, str(error)) from error
    if not confined:
        raise _unconfined(port, "its socket was not found")


def _unconfined(port: int, reason: str) -> UserError:
    return UserError(
        f"port {port} cannot be kept to loopback or to one address ({reason}): TensorFlow listens on all "
        "interfaces, and this system does not let the socket be filtered. The protocol has no "
        "authentication, and whoever reaches the port can have workers read and write files. Where a "
        "firewall keeps others out, start it with --host=0.0.0.0 --insecure."
    )


def _resolve(host: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
        for family, kind, _, _, where in found:
            with socket.socket(family, kind) as sock:
                sock.bind(where)
    except OSError as error:
        raise UserError(
            f"--host={host} is no name or address of this machine ({error.strerror}): leave it out for this "
            "machine alone, or name one of its own."
        ) from error
    numbers = [where[0].partition("%")[0] for *_, where in found]
    return [ipaddress.ip_address(number) for number in dict.fromkeys(numbers)]


@contextlib.contextmanager
def _own(descriptor: int) -> Iterator[socket.socket]:
    # On a copy, as a socket closes its descriptor at its end.
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        yield sock


def _listening(port: int) -> Iterator[socket.socket]:
    """Yields this process' sockets that listen at a port."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with contextlib.ExitStack() as stack:
            try:
                sock = stack.enter_context(_own(descriptor))
            except OSError:
                continue  # A file, or closed in the meantime.
            internet = sock.family in (socket.AF_INET, socket.AF_INET6)
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if internet and listens and sock.getsockname()[1] == port:
                yield sock


def _filter(addresses: Sequence[Address]) -> bytes:
    """Returns a program of the classic Berkeley Packet Filter that passes packets to these addresses."""
    lines = [(_LOAD_BYTE, 0, 0, _IP_HEADER), (_SHIFT_RIGHT, 0, 0, 4)]
    for version in (4, 6):
        block = []
        for address in addresses:
            if address.version == version:
                words = struct.unpack(f">{len(address.packed) // 4}I", address.packed)
                for index, word in enumerate(words):
                    past = 2 * (len(words) - index) - 1
                    block.append((_LOAD, 0, 0, _DESTINATION[version] + 4 * index))
                    block.append((_IF_EQUAL, 0, past, word))
                block.append((_RETURN, 0, 0, _WHOLE))
        block.append((_RETURN, 0, 0, _NOTHING))
        lines += [(_IF_EQUAL, 0, len(block), version), *block]
    lines.append((_RETURN, 0, 0, _NOTHING))
    return b"".join(struct.pack("HBBI", *line) for line in lines)
