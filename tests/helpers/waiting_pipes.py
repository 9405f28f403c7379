"""Pipes in the places of files, by which a reader that waits for their writer is caught."""

from __future__ import annotations

import contextlib
import os
import pathlib
import threading
from collections.abc import Iterator

_SECONDS = 20.0


@contextlib.contextmanager
def unwritten(path: str | os.PathLike[str]) -> Iterator[None]:
    """Makes a pipe at `path`, in the place of what is there; a reader makes the body fail.

    Raises:
      AssertionError: someone waits for the pipe's writer; after a while it reads an empty file.
    """
    pathlib.Path(path).unlink(missing_ok=True)
    os.mkfifo(path)
    done = threading.Event()
    waited = []

    def release() -> None:
        if not done.wait(_SECONDS):
            waited.append(path)
            while not done.wait(0.1):
                # Without a reader there is nothing to open.
                with contextlib.suppress(OSError):
                    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))

    thread = threading.Thread(target=release)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert not waited, f"{path} was read"
