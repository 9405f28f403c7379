"""Locks between processes, of this machine or of others that see the same files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator

from brave_tf.errors import UserError

_LOOK_EVERY = 0.05
# What file systems answer that have no locks: then there is nothing to wait for.
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextlib.contextmanager
def locked(path: str, wait: bool = True, patience: float = 600.0, said: str = "") -> Iterator[None]:
    """Holds the lock that the file at `path` stands for; the file is there while it is held.

    Args:
      path: of the file.
      wait: whether to wait for another process that holds it.
      patience: seconds after which the wait is given up.
      said: what the file holds meanwhile, for others to read.

    Raises:
      BlockingIOError: Another process holds it, and `wait` is False.
      UserError: another process held it for longer than `patience`.
      OSError: it cannot be made, or is a link, which is not followed.
    """
    handle = _acquire(path, wait, time.monotonic() + patience)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, said.encode())
        yield
    finally:
        # The folder may have been moved, and another process hold a lock in a new one of its name.
        if _is_at(handle, path):
            os.remove(path)
        os.close(handle)


def is_locked(path: str) -> bool:
    """Returns whether a process holds the lock that the file at `path` stands for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
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


def _acquire(path: str, wait: bool, deadline: float) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            if not wait:
                raise
            if time.monotonic() > deadline:
                raise UserError(
                    f"another process has held {path} for too long: end it if it hangs (`fuser {path}` names "
                    "it on its own machine), then start the same command again."
                ) from error
            time.sleep(_LOOK_EVERY)
            continue
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(handle)
                raise
        # Whoever held it may have removed the file in the meantime.
        if _is_at(handle, path):
            return handle
        os.close(handle)


def _is_at(handle: int, path: str) -> bool:
    """Returns whether an open file is the one at `path`."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), os.stat(path))
    return False
