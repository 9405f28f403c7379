"""What media files hold, found out without decoding more than their first pictures and sounds.

Files are opened in processes of their own, with a time limit: what crashes or hangs on being opened is left
out before it could harm a training run. It does without TensorFlow, so that these processes start fast.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import av
import numpy as np
from absl import logging

from brave_tf.data.preparation import video_decoding, worker_pool
from brave_tf.data.preparation.media import MAX_SKEW, MediaError, MediaFile
from brave_tf.progress import Progress

# What FFmpeg 4 decodes, in every build.
_VIDEO_CODECS = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9"})
# Colours that are converted alike whether the converter looks at them or not: limited range, BT.601.
_COLORSPACES = frozenset({2, 5, 6})
_LIMITED_RANGES = frozenset({0, 1})
# FLAC is not one of them: when damaged, tensorflow-io may decode it for ever.
_SOUND_CODECS = {("wav", "pcm_s16le"): "wav", ("mp3", "mp3float"): "mp3"}
# Of longer files, seconds by their header, not all packets are read.
_LONG = 300.0
# Seconds of sound that are decoded for a try.
_TRIED = 0.5
_NAMED = 5


class Facts(NamedTuple):
    """What a file holds.

    Attributes:
      has_video: It has moving pictures that can be decoded.
      has_audio: It has sound that can be decoded.
      seconds: From its first picture (or sample) to its end; None where the file does not tell.
      frame_rate: Pictures per second, when counting them tells their times and their pixels need no
        care: one video stream at a constant rate, upright, 8-bit 4:2:0 in limited-range BT.601, of a width
        that 8 divides and an even height, in a codec that every FFmpeg decodes. Otherwise 0.
      num_frames: How many pictures; known where there is a `frame_rate`.
      tick: Seconds; the resolution of the times of pictures, 0 where they were not read.
      sound: wav or mp3 when the file is just that, and tensorflow-io reads it: WAV with 16-bit samples,
        as long as it says. Otherwise empty.
      sample_rate: Samples per second of the sound; 0 without.
    """

    has_video: bool
    has_audio: bool
    seconds: float | None
    frame_rate: float = 0.0
    num_frames: int = 0
    tick: float = 0.0
    sound: str = ""
    sample_rate: int = 0

    def has(self, modality: str) -> bool:
        """Whether a view of this modality can be made from the file."""
        return {"rgb": self.has_video, "audio": self.has_audio}.get(modality, False)


_KNOWN: dict[tuple[str, int, int], Facts | str] = {}


def find_facts(files: Iterable[str], timeout: float) -> Mapping[str, Facts | str]:
    """Looks into files, in parallel; those that have not changed since the process looked are remembered.

    Args:
      files: Paths; repeated ones count once.
      timeout: Seconds that opening one may take.

    Returns:
      For each file its facts, or why it cannot be used.
    """
    keys = {file: _key(file) for file in dict.fromkeys(files)}
    unknown = [file for file, key in keys.items() if key not in _KNOWN]
    if unknown:
        _find(unknown, keys, timeout)
    return {file: _KNOWN[key] for file, key in keys.items()}


def _find(files, keys, timeout):
    workers = min(os.cpu_count() or 1, len(files))
    found = worker_pool.run_in_order(_look, files, workers=workers, timeout=timeout)
    with contextlib.closing(found), Progress(len(files), "looking", "files") as progress:
        for file, result in zip(files, found):
            if isinstance(result, worker_pool.TimedOut):
                result = f"could not be opened within {timeout:g} s"
            elif isinstance(result, worker_pool.Died):
                result = "ended the process that opened it"
            _KNOWN[keys[file]] = result
            progress.add(failed=int(isinstance(result, str)))
    _warn({file: _KNOWN[keys[file]] for file in files})


def _warn(found):
    broken = [f"{file}: {reason}" for file, reason in found.items() if isinstance(reason, str)]
    if broken:
        more = [f"and {len(broken) - _NAMED} more"] if len(broken) > _NAMED else []
        logging.warning(
            "%d of %d media files cannot be used and are left out: %s",
            len(broken),
            len(found),
            "; ".join(broken[:_NAMED] + more),
        )


def _key(file):
    with contextlib.suppress(OSError):
        status = os.stat(file)
        return file, status.st_size, status.st_mtime_ns
    return file, -1, 0


def _look(file: str) -> Facts | str:
    try:
        with MediaFile(file) as media:
            if media.has_video:
                next(media.frames(0.0, None, 25.0, None))
            has_audio = media.has_audio and _gives_sound(media)
            facts = Facts(media.has_video, has_audio, media.duration)
        if facts.has_video and (facts.seconds or math.inf) > _LONG:
            return facts
        with av.open(file, container_options={"protocol_whitelist": "file"}) as container:
            if not facts.has_video:
                return _of_sound(facts, container, file)
            with contextlib.suppress(av.FFmpegError):
                return _of_video(facts, container)
            return facts
    except MediaError as error:
        return str(error)
    except Exception as error:  # One broken file must not end the run with the others.
        return f"{type(error).__name__}: {error}"


def _gives_sound(media):
    try:
        media.samples(0.0, _TRIED, 48_000, pad=False)
    except MediaError:
        if not media.has_video:
            raise
        return False
    return True


def _of_video(facts, container):
    """Adds the times of the pictures, which are read from the packets; none but the first is decoded."""
    if len(container.streams.video) != 1:
        return facts
    stream = container.streams.video[0]
    picture, stamps, durations = None, [], {}
    for packet in container.demux(stream):
        stamp = packet.dts if container.format.name == "avi" else packet.pts
        if not packet.size:
            continue
        if picture is None:
            picture = next(iter(packet.decode()), None)
        stamps.append(None if packet.is_discard or packet.is_corrupt else stamp)
        durations[stamp] = packet.duration
    if None in stamps or not stamps or not stream.average_rate or picture is None:
        return facts
    tick, rate = float(stream.time_base), float(stream.average_rate)
    stamps.sort()
    if max(np.diff(stamps), default=0) * tick > video_decoding.MAX_GAP:
        return facts
    last = min((durations[stamps[-1]] or 0) * tick or 1 / rate, video_decoding.MAX_LAST)
    facts = facts._replace(seconds=(stamps[-1] - stamps[0]) * tick + last, tick=tick)
    begins_late = stamps[0] * tick - (container.start_time or 0) / av.time_base > MAX_SKEW
    constant = (np.array(stamps) - stamps[0] == constant_stamps(len(stamps), rate, tick)).all()
    if begins_late or not constant or not _is_simple(stream.codec_context, picture):
        return facts
    return facts._replace(frame_rate=rate, num_frames=len(stamps))


def constant_stamps(number: int, rate: float, tick: float) -> np.ndarray:
    """Returns (number,) whole numbers of ticks: the times of pictures at a constant rate, rounded."""
    return np.floor(np.arange(number) / rate / tick + 0.5)


def _is_simple(codec, picture):
    # tensorflow-io leaves the last columns of other widths as they were in memory, and takes the colours of
    # other heights from elsewhere.
    even = picture.width % 8 == 0 and picture.height % 2 == 0
    return (
        even
        and codec.name in _VIDEO_CODECS
        and picture.format.name == "yuv420p"
        and picture.colorspace in _COLORSPACES
        and picture.color_range in _LIMITED_RANGES
        and video_decoding.display_matrix(picture) is None
    )


def _of_sound(facts, container, file):
    stream = container.streams.audio[0]
    codec = stream.codec_context
    kind = _SOUND_CODECS.get((container.format.name, codec.name), "")
    if kind == "wav" and not _is_whole_wav(file):
        kind = ""
    return facts._replace(sound=kind, sample_rate=codec.sample_rate or 0)


def _is_whole_wav(file):
    """Whether the data chunk of a WAV file (RIFF, Microsoft and IBM 1991) is as long as it says."""
    size = os.path.getsize(file)
    with open(file, "rb") as stream:
        if stream.read(4) != b"RIFF":
            return False
        stream.seek(12)
        while len(header := stream.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            if name == b"data":
                return 0 < length <= size - stream.tell()
            stream.seek(length + length % 2, os.SEEK_CUR)
    return False
