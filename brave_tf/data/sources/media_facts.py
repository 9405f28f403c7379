"""What media files hold, found out without decoding more than their first pictures and sounds.

Files are opened in processes of their own, with a time limit: what crashes or hangs on being opened is left
out before it could harm a training run. It does without TensorFlow, so that these processes start fast.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import av
import numpy as np
from absl import logging

from brave_tf.data.media import video_decoding, wav_header
from brave_tf.data.media.media import MAX_SKEW, MediaError, MediaFile
from brave_tf.data.media.opening import open_media
from brave_tf.process import worker_pool
from brave_tf.process.progress import Progress

# What FFmpeg 4 decodes, in every build.
_VIDEO_CODECS = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9"})
# Colours that are converted alike whether the converter looks at them or not: limited range, BT.601.
_COLORSPACES = frozenset({2, 5, 6})
_LIMITED_RANGES = frozenset({0, 1})
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
      is_wav: Whether the file is WAV with 16-bit samples, as many as it says: what tensorflow-io reads alike.
      sample_rate: Samples per second of the sound; 0 without.
      warnings: What makes its clips other than they should be, see `MediaFile.warnings`.
    """

    has_video: bool
    has_audio: bool
    seconds: float | None
    frame_rate: float = 0.0
    num_frames: int = 0
    tick: float = 0.0
    is_wav: bool = False
    sample_rate: int = 0
    warnings: tuple[str, ...] = ()


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
    odd = [
        f"{file}: {', '.join(facts.warnings)}"
        for file, facts in found.items()
        if isinstance(facts, Facts) and facts.warnings
    ]
    for what, named in (("cannot be used and are left out", broken), ("are not as usual", odd)):
        if named:
            more = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
            listed = "; ".join(named[:_NAMED] + more)
            logging.warning("%d of %d media files %s: %s", len(named), len(found), what, listed)


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
            if media.has_audio:
                _try_sound(media)
            facts = Facts(media.has_video, media.has_audio, media.duration)
            tick = media.pictures.tick if media.pictures is not None else 0.0
            facts = facts._replace(tick=tick, warnings=tuple(media.warnings))
            if (facts.seconds or math.inf) > _LONG:
                return facts
            with open_media(file) as container:
                if facts.has_video:
                    return _of_video(facts, media, container)
                return _of_sound(facts, container, file)
    except MediaError as error:
        return str(error)
    except Exception as error:  # One broken file must not end the run with the others.
        return f"{type(error).__name__}: {error}"


def _try_sound(media):
    try:
        media.samples(0.0, _TRIED, 48_000, pad=False)
    except MediaError:
        # Pictures may be wanted alone; whoever wants the sound is told.
        if not media.has_video:
            raise


def _of_video(facts, media, container):
    """Adds what the packets of the pictures tell; none but the first is decoded."""
    line = media.pictures
    stream = container.streams.video[0]
    in_doubt = facts.warnings or not np.all(line.known & line.kept)
    if len(container.streams.video) != 1 or in_doubt or not stream.average_rate:
        return facts
    rate, stamps = float(stream.average_rate), np.sort(line.stamps)
    begins_late = stamps[0] * line.tick - (container.start_time or 0) / av.time_base > MAX_SKEW
    constant = (stamps - stamps[0] == constant_stamps(len(stamps), rate, line.tick)).all()
    if begins_late or not constant or not _are_simple(container, stream):
        return facts
    return facts._replace(frame_rate=rate, num_frames=len(stamps))


def constant_stamps(number: int, rate: float, tick: float) -> np.ndarray:
    """Returns (number,) whole numbers of ticks: the times of pictures at a constant rate, rounded."""
    return np.floor(np.arange(number) / rate / tick + 0.5)


def _are_simple(container, stream):
    """Whether all pictures are simple and alike; only those are decoded at which that could change."""
    stream.codec_context.skip_frame = "NONKEY"
    try:
        pictures = list(container.decode(stream))
    except av.FFmpegError:
        return False
    sizes = {(picture.width, picture.height) for picture in pictures}
    return len(sizes) == 1 and all(_is_simple(stream, picture) for picture in pictures)


def _is_simple(stream, picture):
    # tensorflow-io leaves the last columns of other widths as they were in memory, and takes the colours of
    # other heights from elsewhere.
    even = picture.width % 8 == 0 and picture.height % 2 == 0
    return (
        even
        and stream.codec_context.name in _VIDEO_CODECS
        and picture.format.name == "yuv420p"
        and picture.colorspace in _COLORSPACES
        and picture.color_range in _LIMITED_RANGES
        and video_decoding.display_matrix(picture) is None
    )


def _of_sound(facts, container, file):
    codec = container.streams.audio[0].codec_context
    is_wav = (container.format.name, codec.name) == ("wav", "pcm_s16le") and _is_plain_wav(file)
    return facts._replace(is_wav=is_wav, sample_rate=codec.sample_rate or 0)


def _is_plain_wav(file):
    """Whether a WAV file holds 16-bit samples, as many as it says."""
    header = wav_header.read(file)
    if header is None or not header.is_pcm or not header.is_whole:
        return False
    if {header.bits, header.valid_bits, header.container_bits} != {16}:
        return False
    return header.num_bytes % header.block_align == 0
