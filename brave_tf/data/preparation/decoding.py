"""Packets of one stream to time-stamped frames, passing over what does not decode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import av

# Pictures that a decoder holds back to put them in order.
MAX_DECODER_DELAY = 4


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


def decode(
    container: av.container.InputContainer, stream: av.stream.Stream, errors: list[str]
) -> Iterator[Piece]:
    """Yields the frames of `stream` in the order in which the decoder gives them.

    Args:
      container: An open av container, at its start or after a seek.
      stream: One of its streams.
      errors: Receives the reason of each packet that was passed over.
    """
    if not stream.codec_context.is_open:
        # The workers that decode clips side by side use all cores already.
        stream.codec_context.thread_count = 1
    tick = float(stream.time_base)
    clock = _VideoClock(container, stream) if stream.type == "video" else _AudioClock()
    expected = (container.start_time or 0) / av.time_base
    for frame in _frames(container, stream, clock, errors):
        stamp = clock.stamp(frame)
        duration = clock.duration(frame)
        time = expected if stamp is None else stamp * tick
        yield Piece(time, duration, frame, stamp is not None)
        expected = time + duration


def _frames(container, stream, clock, errors):
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            clock.see(packet)
            yield from packet.decode()
        except (av.FFmpegError, OSError) as error:
            errors.append(error.strerror or str(error))
    try:
        # Empties the decoder when reading broke off; after a regular end nothing is left.
        yield from stream.codec_context.decode(None)
    except (av.FFmpegError, OSError):
        return


class _AudioClock:
    def see(self, packet):
        pass

    def stamp(self, frame):
        return frame.pts

    def duration(self, frame):
        return frame.samples / frame.sample_rate


class _VideoClock:
    """Time stamps of pictures.

    Of the two that FFmpeg gives, presentation and decoding time, it trusts the one that has run backwards
    less often, like FFmpeg's best-effort time stamp. AVI only has decoding times, which are later by the
    delay of the decoder; that of the first picture is taken off.
    """

    def __init__(self, container, stream):
        rate = stream.average_rate or stream.guessed_rate
        self._tick = float(stream.time_base)
        self._usual_duration = float(1 / rate) if rate else 0.04
        self._is_avi = container.format.name == "avi"
        self._first_packet = None
        self._delay = 0 if not self._is_avi else None
        self._last = {"pts": None, "dts": None}
        self._faults = {"pts": 0, "dts": 0}

    def see(self, packet):
        if self._first_packet is None:
            self._first_packet = packet.dts

    def stamp(self, frame):
        pts = None if self._is_avi else frame.pts
        self._check("pts", pts)
        self._check("dts", frame.dts)
        if pts is not None and (frame.dts is None or self._faults["pts"] <= self._faults["dts"]):
            return pts
        if frame.dts is None:
            return None
        if self._delay is None:
            delay = frame.dts - self._first_packet
            self._delay = delay if delay <= MAX_DECODER_DELAY else 0
        return frame.dts - self._delay

    def duration(self, frame):
        return frame.duration * self._tick or self._usual_duration

    def _check(self, kind, stamp):
        if stamp is not None:
            last = self._last[kind]
            self._faults[kind] += last is not None and stamp <= last
            self._last[kind] = stamp
