"""Locks between processes, of this machine or of others that see the same files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator

# What file systems answer that have no locks: then there is nothing to wait for.
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextlib.contextmanager
def locked(path: str, wait: bool = True) -> Iterator[None]:
    """Holds the lock that the file at `path` stands for; the file is there while it is held.

    Raises:
      BlockingIOError: Another process holds it, and `wait` is False.
    """
    handle = _acquire(path, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        os.close(handle)


def is_locked(path: str) -> bool:
    """Returns whether a process holds the lock that the file at `path` stands for."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(handle)
    return False


def _acquire(path, how):
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, how)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(handle)
                raise
        # Whoever held it may have removed the file in the meantime.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        os.close(handle)
