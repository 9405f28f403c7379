"""Where decoding has to begin so that a window holds what it holds when the whole file is read.

MP4 and Matroska have an index that tells; in other containers packets are counted from the start, without
decoding them. Where no packet is sure to give what it gives in a full read, decoding begins with the first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Callable

import av
import numpy as np

from brave_tf.data.media.decoding import Piece, decode
from brave_tf.data.media.timeline import Line

Opener = Callable[[], av.container.InputContainer]

# Seconds before the wanted time at which decoding begins: codecs of sound need a run-up.
RUN_UP = {"audio": 0.5, "video": 0.2}
# Seconds further back where no whole picture follows.
_FURTHER = (0.0, 2.0, 12.0)
# Seconds up to which times are equal; Matroska rounds to milliseconds.
_SLACK = 1e-3
_INDEXED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
# Codecs of sound that forget what came before within the run-up. Others carry on a prediction, or draw at
# random what replaces noise, as AAC does.
_FORGETFUL = (
    "pcm_",
    "adpcm_ms",
    "adpcm_ima_wav",
    "alac",
    "flac",
    "mp3",
    "tta",
    "vorbis",
    "wavpack",
)


def pieces_from(
    fresh: Opener, index: int, line: Line | None, begin: float, errors: list[str]
) -> Iterator[Piece]:
    """Returns the pieces of a stream from somewhat before `begin` on, or from its start.

    Args:
      fresh: Opens the file anew, closing the last container.
      index: Of the stream.
      line: Of the stream, see `timeline`; None if its packets are not known.
      begin: Seconds on the continuous clock.
      errors: Receives the reason of each packet that was passed over.
    """
    container = fresh()
    stream = container.streams[index]
    kind = stream.type
    if not _can_begin_anywhere(stream, line):
        entries = ()
    elif is_indexed(container) and (line is None or line.is_plain):
        entries = _seeks(container, stream, line, begin, errors)
    else:
        entries = _walks(fresh, stream, line, begin, errors)
    for pieces in entries:
        first = _first_whole(pieces, kind, begin + _SLACK)
        if first is not None:
            # What lies before is of no interest.
            errors.clear()
            return itertools.chain([first], pieces)
    errors.clear()
    container = fresh()
    return decode(container, container.streams[index], line, errors)


def is_indexed(container: av.container.InputContainer) -> bool:
    """Whether a container finds a time without being read."""
    return container.format.name in _INDEXED


def _seeks(container, stream, line, begin, errors):
    start = (container.start_time or 0) / av.time_base
    for further in _FURTHER:
        target = max(begin - RUN_UP[stream.type] - further, start)
        try:
            container.seek(round(target / stream.time_base), stream=stream)
        except (av.FFmpegError, OSError):
            continue
        yield decode(container, stream, line, errors)


def _walks(fresh, stream, line, begin, errors):
    keys = np.flatnonzero(line.keys & line.known & line.kept)
    times = line.stamps[keys] * line.tick
    numbers = []
    for further in _FURTHER:
        early = keys[times <= begin - RUN_UP[stream.type] - further]
        numbers += [early[-1]] if len(early) else []
    index = stream.index
    for number in dict.fromkeys(numbers):
        container = fresh()
        yield decode(container, container.streams[index], line, errors, int(number))


def _can_begin_anywhere(stream, line):
    if stream.type == "video":
        # Without the times at which pictures are shown, their order has to be followed from the start.
        untimed = line is not None and (line.counts_pictures or line.in_one_order)
        return not (untimed and stream.codec_context.has_b_frames)
    if not stream.codec_context.sample_rate or (line is not None and line.shifts):
        return False
    # Samples are counted; a clock that is coarser than they are tells only roughly which one it is.
    ticks = 1 / (stream.codec_context.sample_rate * stream.time_base)
    return ticks.denominator == 1 and stream.codec_context.name.startswith(_FORGETFUL)


def _first_whole(pieces, kind, latest):
    """Returns the first piece that has a time and needs none before it; None if it is later than `latest`."""
    for number, piece in enumerate(pieces):
        if piece.stamped and piece.time > latest:
            return None
        # What precedes a key frame is patched up from pictures that were never read. The first piece of sound
        # lacks the delay of its codec, and its time is rounded for that.
        whole = piece.frame.key_frame if kind == "video" else number > 0
        if piece.stamped and whole:
            return piece
    return None
