"""Media files on one timeline: choosing streams, reading a window.

Seconds are counted from the first picture (from the first sample in a file without pictures); when the
pictures start more than MAX_SKEW after the file itself does, from the start of the file. So the delays of
codecs and containers, which players hide, shift nothing, and sound stays where the file puts it relative
to the pictures.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import av
import numpy as np

from brave_tf.data.media import (
    audio_decoding,
    packets,
    remarks,
    seeking,
    streams,
    timeline,
    video_decoding,
)
from brave_tf.data.media.decoding import MediaError, decode
from brave_tf.data.media.opening import joined_file, open_media
from brave_tf.data.media.ordering import in_order

__all__ = ["MAX_SKEW", "MediaError", "MediaFile"]

MAX_SKEW = 0.2
# Seconds of sound after the last picture that are the rest of a codec's block.
_MAX_REST = 1.0
# Bytes; the packets of larger files are read only where their container cannot be trusted to tell the time.
_MAX_READ = 1 << 30
# Files whose packets are remembered.
_REMEMBERED = 64


class MediaFile:
    """One media file, read window by window; a context manager.

    Attributes:
      has_video: A stream holds moving pictures (covers and thumbnails do not count).
      has_audio: A stream holds sound.

    Raises:
      MediaError: The file cannot be opened, or holds neither pictures nor sound.
    """

    def __init__(self, file: str):
        self._file = file
        self._container = open_media(file)
        self._begun = None
        self._passed_over = {"video": [], "audio": []}
        self._moved = {"video": [], "audio": []}
        layout = _layout_of(file, self._container)
        self._index = {"video": layout.pictures, "audio": layout.sound}
        self._timeline, self._joined = layout.timeline, layout.joined
        self.has_video, self.has_audio = (index is not None for index in self._index.values())
        if not self.has_video and not self.has_audio:
            self._container.close()
            raise MediaError("open", "holds neither video nor audio that can be decoded")

    def __enter__(self) -> MediaFile:
        return self

    def __exit__(self, *_) -> None:
        self._container.close()

    @property
    def duration(self) -> float | None:
        """Seconds from second 0 to the end of the pictures, without them of the sound; None where unknown."""
        end = self._end_of_pictures if self.has_video else self._end("audio")
        return None if end is None else end - self.origin

    @property
    def pictures(self) -> timeline.Line | None:
        """The packets of the pictures on the continuous clock; None where they were not read."""
        return self._line("video") if self.has_video else None

    @property
    def warnings(self) -> list[str]:
        """What may make clips of the file other than they should be, as far as it was read."""
        found = []
        # It opens the file anew.
        origin = self.origin
        if self._timeline is not None:
            held = self._last_end()
            found += remarks.of_timeline(self._timeline, self._container, origin, held)
        found += remarks.of_joined(self._joined)
        found += remarks.of_samples(self._file)
        if self.has_video and self.has_audio:
            found += remarks.of_ends(self.pictures, self._end("video"), self._end_of_pictures)
        for kind in ("video", "audio"):
            found += remarks.of_reading(kind, self._passed_over[kind], self._moved[kind])
        return found

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
          MediaError: No picture can be decoded, none lies in the window, or one is shown for hours.
        """
        length = None if end is None else end - start
        pieces, tick = self._read("video", start)
        until = self._end_of_pictures
        picked = video_decoding.pick(pieces, self.origin + start, length, fps, tick, until)
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
          MediaError: No sound can be decoded, samples are no numbers, or a gap lasts for hours.
        """
        length = None if end is None else round((end - start) * sample_rate)
        pieces, _ = self._read("audio", start)
        return audio_decoding.collect(pieces, self.origin + start, length, sample_rate, pad)

    @cached_property
    def origin(self) -> float:
        """What the continuous clock of the file shows at second 0."""
        kind = "video" if self.has_video else "audio"
        first, pieces = self._begin(kind)
        self._begun = kind, first, pieces
        start = (self._container.start_time or 0) / av.time_base
        if kind == "audio":
            # A start below zero is the run-up of the codec, which the decoder leaves out.
            return min(first.time, max(start, 0.0))
        return first.time if first.time - start <= MAX_SKEW else start

    @cached_property
    def _end_of_pictures(self):
        """Until when pictures are shown, on the continuous clock: as players do, while sound goes on."""
        pictures, sound = self._end("video"), self._end("audio") if self.has_audio else None
        if pictures is None or sound is None or sound - pictures <= _MAX_REST:
            return pictures
        return sound

    def _end(self, kind):
        """Returns the end of a stream on the continuous clock; None where the file does not tell."""
        line = self._line(kind)
        if line is not None:
            return line.end()
        stream = self._container.streams[self._index[kind]]
        if stream.duration is None:
            return None
        return ((stream.start_time or 0) + stream.duration) * float(stream.time_base)

    def _last_end(self):
        ends = [self._end(kind) for kind, index in self._index.items() if index is not None]
        return max((end for end in ends if end is not None), default=None)

    def _line(self, kind):
        return None if self._timeline is None else self._timeline.lines[self._index[kind]]

    def _read(self, kind, start):
        """Returns the pieces of a stream from `start` on, or somewhat earlier, and its clock's tick."""
        begin = self.origin + start
        begun, self._begun = self._begun, None
        if begun is not None and begun[0] == kind and begin - begun[1].time <= seeking.RUN_UP[kind]:
            pieces = begun[2]
        else:
            errors = self._passed_over[kind]
            errors.clear()
            line, index = self._line(kind), self._index[kind]
            pieces = seeking.pieces_from(self._fresh, index, line, begin, errors)
        tick = float(self._container.streams[self._index[kind]].time_base)
        return in_order(pieces, self._moved[kind]), tick

    def _begin(self, kind):
        """Returns the first piece of a stream, and all its pieces."""
        container, errors = self._fresh(), self._passed_over[kind]
        stream = container.streams[self._index[kind]]
        pieces = decode(container, stream, self._line(kind), errors)
        first = next(pieces, None)
        if first is None:
            reason = f": {errors[-1]}" if errors else ""
            raise MediaError("decode", f"nothing of its {kind} can be decoded{reason}")
        return first, itertools.chain([first], pieces)

    def _fresh(self):
        self._container.close()
        self._container = open_media(self._file)
        return self._container


class _Layout(NamedTuple):
    """What is known of a file.

    Attributes:
      pictures: Index of the stream of pictures; None without.
      sound: Index of the stream of sound; None without.
      timeline: Of these; None where packets were not read.
      joined: Byte at which another file begins; None for none.
    """

    pictures: int | None
    sound: int | None
    timeline: timeline.Timeline | None = None
    joined: int | None = None


def _layout_of(file, container):
    if seeking.is_indexed(container) and os.path.getsize(file) > _MAX_READ:
        return _Layout(*_chosen(container, {}))
    status = os.stat(file)
    return _read_layout(file, status.st_size, status.st_mtime_ns)


@functools.lru_cache(_REMEMBERED)
def _read_layout(file, size, changed):
    with open_media(file) as container:
        found, broke_off = packets.read_packets(container)
        chosen = _chosen(container, {i: int(each.kept.sum()) for i, each in found.items()})
        # MPEG-TS begins like this wherever its tables are repeated, and is read to its end.
        may_end_early = container.format.name != "mpegts"
    own = {index: found[index] for index in chosen if index is not None}
    if not own:
        return _Layout(*chosen)
    last_byte = max(each.last_byte for each in found.values())
    joined = joined_file(file, last_byte) if may_end_early else None
    return _Layout(*chosen, timeline.make_timeline(own, broke_off), joined)


def _chosen(container, counts):
    pictures = streams.choose_pictures(container, counts)
    sound = streams.choose_sound(container, pictures, counts)
    return tuple(stream and stream.index for stream in (pictures, sound))
