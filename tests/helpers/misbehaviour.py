"""Tasks and encoders that go wrong in a worker process; imports nothing slow, for workers import it."""

from __future__ import annotations

import os
import pathlib
import signal
import time

from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.preparation.clip_encoder import ClipFailure, PreparedClip, try_encode
from brave_tf.data.preparation.settings import PreparationSettings


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
    elif kind == "pid":
        time.sleep(value)
        return os.getpid()
    return value


class Unloadable:
    """A function that ends the process which unpickles it."""

    def __reduce__(self):
        return os._exit, (3,)


def encode_unless_named(
    clip: ListedClip, settings: PreparationSettings
) -> PreparedClip | ClipFailure:
    """Encodes a clip, but hangs or crashes for files named so."""
    if "hang" in clip.path:
        time.sleep(60)
    if "crash" in clip.path:
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(60)
    return try_encode(clip, settings)
