"""Media files on one timeline: opening, choosing streams, reading a window.

Seconds are counted from the first picture (from the first sample in a file without pictures); when the
pictures start more than MAX_SKEW after the file itself does, from the start of the file. So the delays of
codecs and containers, which players hide, shift nothing, and sound stays where the file puts it relative
to the pictures.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from functools import cached_property

import av
import numpy as np

from brave_tf.data.preparation import audio_decoding, video_decoding
from brave_tf.data.preparation.decoding import decode

MAX_SKEW = 0.2
# Seconds before the wanted time that seeks aim at: codecs of sound need a run-up, and pictures in AVI are
# stamped late.
RUN_UP = {"audio": 0.5, "video": 0.2}
# Seconds further back that they aim at when no key frame follows: MPEG-TS lands anywhere.
_FURTHER = (0.0, 2.0, 12.0)
# Seconds up to which times are equal; Matroska rounds to milliseconds.
SLACK = 1e-3


class MediaError(Exception):
    """A file, or a window of it, that gives no clip; `stage` is what failed: find, open or decode."""

    def __init__(self, stage: str, reason: str):
        super().__init__(reason)
        self.stage = stage


class MediaFile:
    """One media file, read window by window; a context manager.

    Attributes:
      has_video: A stream holds moving pictures (cover art does not count).
      has_audio: A stream holds sound.

    Raises:
      MediaError: The file cannot be opened, or holds neither pictures nor sound.
    """

    def __init__(self, file: str):
        self._file = file
        self._container = _open(file)
        self._begun = None
        self.has_video = _video_stream(self._container) is not None
        self.has_audio = _audio_stream(self._container) is not None
        if not self.has_video and not self.has_audio:
            self._container.close()
            raise MediaError("open", "holds neither video nor audio that can be decoded")

    def __enter__(self) -> MediaFile:
        return self

    def __exit__(self, *_) -> None:
        self._container.close()

    @property
    def duration(self) -> float | None:
        """Seconds that the header states, or that can be told from it; None when it tells nothing."""
        duration = self._container.duration
        return None if duration is None else duration / av.time_base

    def frames(
        self, start: float, end: float | None, fps: float, min_side: int | None
    ) -> Iterator[np.ndarray]:
        """Yields the picture shown at `start`, `start` + 1/fps, ... before `end` and the video's end.

        Args:
          start: Seconds.
          end: Seconds; None is the end of the video.
          fps: Pictures per second of the result.
          min_side: Pixels of the short side of the result; None is that of the video.

        Yields:
          (H, W, 3) uint8 BGR, upright, the long side even where resized; the very same array again when
          a picture is shown at more than one of these times.

        Raises:
          MediaError: No picture can be decoded, or none lies in the window.
        """
        length = None if end is None else end - start
        pieces, tick = self._read(_video_stream, start)
        picked = video_decoding.pick(pieces, self.origin + start, length, fps, tick)
        frame = None
        for frame in video_decoding.convert(picked, min_side):
            yield frame
        if frame is None:
            raise MediaError("decode", f"the video has no picture at {start:g} s or later")

    def samples(
        self, start: float, end: float | None, sample_rate: int, pad: bool
    ) -> np.ndarray | None:
        """Returns the sound from `start` to `end`, all channels averaged.

        Args:
          start: Seconds.
          end: Seconds; None is the end of the sound.
          sample_rate: Samples per second of the result.
          pad: Fill up to `end` with zeros where the sound stops earlier.

        Returns:
          (N,) float32 in [-1, 1], zeros where the file has a gap; None if no sound lies in the window.

        Raises:
          MediaError: No sound can be decoded.
        """
        length = None if end is None else round((end - start) * sample_rate)
        pieces, _ = self._read(_audio_stream, start)
        return audio_decoding.collect(pieces, self.origin + start, length, sample_rate, pad)

    @cached_property
    def origin(self) -> float:
        """What the file's own clock shows at second 0."""
        choose = _video_stream if self.has_video else _audio_stream
        self._begun = self._begin(choose)
        return _origin(self._container, *self._begun[:2])

    def _read(self, choose, start):
        """Returns the pieces of a stream from `start` on, or somewhat earlier, and its clock's tick."""
        begin = self.origin + start
        stream, first, pieces = self._begun or (None, None, None)
        self._begun = None
        if stream is not choose(self._container) or begin - first.time > RUN_UP[stream.type]:
            stream = choose(self._container)
            pieces = _seek(self._container, stream, begin)
        if pieces is None:
            self._container.close()
            self._container = _open(self._file)
            stream, _, pieces = self._begin(choose)
        return pieces, float(stream.time_base)

    def _begin(self, choose):
        """Returns a stream of the newly opened file, its first piece, and all its pieces."""
        stream = choose(self._container)
        errors = []
        pieces = decode(self._container, stream, errors)
        first = next(pieces, None)
        if first is None:
            reason = f": {errors[-1]}" if errors else ""
            raise MediaError("decode", f"nothing of its {stream.type} can be decoded{reason}")
        return stream, first, itertools.chain([first], pieces)


def _open(file):
    if not os.path.isfile(file):
        raise MediaError("find", "is not a file" if os.path.exists(file) else "does not exist")
    if not os.path.getsize(file):
        raise MediaError("open", "is empty")
    try:
        # Play lists must not reach the network. Some HMDB51 files carry metadata that is not UTF-8.
        options = {"protocol_whitelist": "file"}
        return av.open(file, container_options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError("open", getattr(error, "strerror", None) or str(error)) from error


def _video_stream(container):
    attached = av.stream.Disposition.attached_pic
    return _preferred(s for s in container.streams.video if not s.disposition & attached)


def _audio_stream(container):
    return _preferred(container.streams.audio)


def _preferred(streams):
    """Returns the stream a player would choose; None when nothing can be decoded."""
    streams = [stream for stream in streams if stream.codec_context is not None]
    default = [s for s in streams if s.disposition & av.stream.Disposition.default]
    return next(iter(default or streams), None)


def _origin(container, stream, first):
    start = (container.start_time or 0) / av.time_base
    if stream.type == "audio":
        # A start below zero is the run-up of the codec, which the decoder leaves out.
        return min(first.time, max(start, 0.0))
    return first.time if first.time - start <= MAX_SKEW else start


def _seek(container, stream, begin):
    """Returns the pieces from somewhat before `begin` on; None when the file cannot be trusted to seek."""
    start = (container.start_time or 0) / av.time_base
    for further in _FURTHER:
        target = max(begin - RUN_UP[stream.type] - further, start)
        try:
            container.seek(round(target / stream.time_base), stream=stream)
        except (av.FFmpegError, OSError):
            continue
        pieces = decode(container, stream, [])
        first = _first_whole(pieces, stream, begin + SLACK)
        if first is not None:
            return itertools.chain([first], pieces)
    return None


def _first_whole(pieces, stream, latest):
    """Returns the first piece that has a time and needs none before it; None if it is later than `latest`."""
    for number, piece in enumerate(pieces):
        if piece.stamped and piece.time > latest:
            return None
        # What precedes a key frame is patched up from pictures that were never read. The first piece of sound
        # lacks the delay of its codec, and its time is rounded for that.
        whole = piece.frame.key_frame if stream.type == "video" else number > 0
        if piece.stamped and whole:
            return piece
    return None
