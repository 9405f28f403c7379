"""Packets of one stream to time-stamped frames, passing over what does not decode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import av


class Piece(NamedTuple):
    """A decoded picture or stretch of sound.

    Attributes:
        time: Seconds on the file's own clock.
        duration: Seconds.
        frame: The av.VideoFrame or av.AudioFrame.
        stamped: False when the file does not say the time, so that it follows from the frames before.
    """

    time: float
    duration: float
    frame: av.frame.Frame
    stamped: bool


def decode(container, stream, errors: list[str]) -> Iterator[Piece]:
    """Yields the frames of `stream` in the order in which the decoder gives them.

    Args:
        container: An open av container, at its start or after a seek.
        stream: One of its streams.
        errors: Receives the reason of each packet that was passed over.
    """
    if not stream.codec_context.is_open:
        # The workers that decode clips side by side use all cores already.
        stream.codec_context.thread_count = 1
    clock = _VideoClock(container, stream) if stream.type == "video" else _AudioClock()
    expected = (container.start_time or 0) / av.time_base
    for frame in _frames(container, stream, errors):
        stamp = clock.stamp(frame)
        duration = clock.duration(frame)
        time = expected if stamp is None else float(stamp * stream.time_base)
        yield Piece(time, duration, frame, stamp is not None)
        expected = time + duration


def _frames(container, stream, errors):
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            yield from packet.decode()
        except (av.FFmpegError, OSError) as error:
            errors.append(error.strerror or str(error))
    try:
        # Empties the decoder when reading broke off; after a regular end nothing is left.
        yield from stream.codec_context.decode(None)
    except (av.FFmpegError, OSError):
        return


class _AudioClock:
    def stamp(self, frame):
        return frame.pts

    def duration(self, frame):
        return frame.samples / frame.sample_rate


class _VideoClock:
    """Time stamps of pictures; of the two that FFmpeg gives it trusts the one that has been running
    forwards more often, like FFmpeg's best-effort time stamp. AVI states the decoding time only."""

    def __init__(self, container, stream):
        self._use_pts = container.format.name != "avi"
        rate = stream.average_rate or stream.guessed_rate
        self._tick = float(stream.time_base)
        self._usual_duration = float(1 / rate) if rate else 0.04
        self._last = {"pts": None, "dts": None}
        self._faults = {"pts": 0, "dts": 0}

    def stamp(self, frame):
        pts = frame.pts if self._use_pts else None
        self._check("pts", pts)
        self._check("dts", frame.dts)
        if pts is not None and (frame.dts is None or self._faults["pts"] <= self._faults["dts"]):
            return pts
        return frame.dts

    def duration(self, frame):
        return frame.duration * self._tick or self._usual_duration

    def _check(self, kind, stamp):
        if stamp is not None:
            last = self._last[kind]
            self._faults[kind] += last is not None and stamp <= last
            self._last[kind] = stamp
