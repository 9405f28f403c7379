"""Tasks and encoders that go wrong in a worker process; imports nothing slow, for workers import it."""

from __future__ import annotations

import os
import pathlib
import signal
import time
import weakref

from brave_tf.data.preparation.clip_encoder import ClipFailure, PreparedClip, try_encode
from brave_tf.data.preparation.clip_list import Clip
from brave_tf.data.preparation.settings import Settings

_last_cycle = None


class _Cycle:
    """Garbage that only a collection frees."""

    def __init__(self):
        self.itself = self


def do(task):
    """Does what the first item of `task` says, with the second."""
    kind, value = task
    if kind == "hang":
        time.sleep(value)
    elif kind == "exit":
        os._exit(value)
    elif kind == "kill":
        os.kill(os.getpid(), value)
        time.sleep(60)
    elif kind == "die once":
        if not pathlib.Path(value).exists():
            pathlib.Path(value).touch()
            os._exit(1)
        return "alive"
    elif kind == "bytes":
        return bytes(value)
    elif kind == "cycle":
        return _cycle_left()
    elif kind == "pid":
        time.sleep(value)
        return os.getpid()
    return value


def _cycle_left():
    """Makes a cycle; returns whether that of the task before is still there."""
    global _last_cycle
    left = _last_cycle is not None and _last_cycle() is not None
    _last_cycle = weakref.ref(_Cycle())
    return left


class Unloadable:
    """A function that ends the process which unpickles it."""

    def __reduce__(self):
        return os._exit, (3,)


def encode_unless_named(clip: Clip, settings: Settings) -> PreparedClip | ClipFailure:
    """Encodes a clip, but hangs or crashes for files named so."""
    if "hang" in clip.path:
        time.sleep(60)
    if "crash" in clip.path:
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(60)
    return try_encode(clip, settings)
