"""Asks FFmpeg whether files hold video or sound: those whose names do not tell.

FFmpeg guesses the format from the bytes, and what is no media may look like some. So a few frames must
decode without an error. Files are opened in other processes, with a time limit, and only by demuxers that
read nothing but the file itself.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Sequence

import av

from brave_tf.data.media.opening import open_media
from brave_tf.process import worker_pool
from brave_tf.process.progress import Progress

TIMEOUT = 20.0
# A format may be guessed from very little: so many frames must decode, or all that there are.
_FRAMES = {"video": 2, "audio": 4}
_PACKETS = 64
_SHOWN_FROM = 50

_ANSWERS: dict[tuple[str, int, int], bool] = {}


def holds_media(files: Sequence[str], timeout: float = TIMEOUT) -> dict[str, bool]:
    """Returns for each file whether FFmpeg decodes moving pictures or sound from it.

    Files that have not changed since this process asked are remembered.

    Args:
      files: Regular files.
      timeout: Seconds that one may take.
    """
    keys = {file: _key(file) for file in dict.fromkeys(files)}
    asked = [file for file, key in keys.items() if key not in _ANSWERS]
    if asked:
        workers = min(os.cpu_count() or 1, len(asked))
        answers = worker_pool.run_in_order(_decodes, asked, workers=workers, timeout=timeout)
        shown = len(asked) >= _SHOWN_FROM
        bar = Progress(len(asked), "looking", "files") if shown else None
        with contextlib.closing(answers), bar or contextlib.nullcontext():
            for file, answer in zip(asked, answers):
                # What hangs or crashes the process is not media.
                _ANSWERS[keys[file]] = answer is True
                if bar is not None:
                    bar.add()
    return {file: _ANSWERS[key] for file, key in keys.items()}


def _key(file):
    status = os.stat(file)
    return file, status.st_size, status.st_mtime_ns


def _decodes(file: str) -> bool:
    try:
        with open_media(file) as container:
            return _gives_frames(container)
    except Exception:  # Whatever FFmpeg makes of a file that is no media.
        return False


def _gives_frames(container):
    attached = av.stream.Disposition.attached_pic
    streams = [*container.streams.video, *container.streams.audio]
    streams = [s for s in streams if s.codec_context is not None and not s.disposition & attached]
    if not streams:
        return False
    for stream in streams:
        stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
    counts = dict.fromkeys((stream.index for stream in streams), 0)
    for packet in itertools.islice(container.demux(streams), _PACKETS * len(streams)):
        stream = packet.stream
        if stream.index not in counts:
            continue
        try:
            counts[stream.index] += len(packet.decode())
        except (av.FFmpegError, ValueError):
            del counts[stream.index]
            continue
        if counts[stream.index] >= _FRAMES[stream.type]:
            return True
    # A single picture is a still image; sound may be short.
    return any(counts.get(stream.index) for stream in streams if stream.type == "audio")
