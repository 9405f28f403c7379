"""Packets of one stream to time-stamped frames, passing over what does not decode."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import av

from brave_tf.data.media.timeline import Line

# Pictures that a decoder holds back to put them in order.
MAX_DECODER_DELAY = 4
# Pictures that tell whether stamps are those of decoding.
_WATCHED = 16
# Raw streams whose stamps FFmpeg makes up, on a clock that is too coarse for their samples, or from the rate
# of the first of them.
_UNSTAMPED = ("aac", "ac3", "eac3", "dts", "mlp", "truehd")


class MediaError(Exception):
    """A file, or a window of it, that gives no clip; `stage` is what failed: find, open or decode."""

    def __init__(self, stage: str, reason: str):
        super().__init__(reason)
        self.stage = stage


class Piece(NamedTuple):
    """A decoded picture or stretch of sound.

    Attributes:
      time: Seconds on the continuous clock of the file.
      duration: Seconds.
      frame: The av.VideoFrame or av.AudioFrame.
      stamped: False when the file does not say the time, so that it follows from the frames before.
    """

    time: float
    duration: float
    frame: av.frame.Frame
    stamped: bool


def decode(
    container: av.container.InputContainer,
    stream: av.stream.Stream,
    line: Line | None,
    errors: list[str],
    first: int = 0,
) -> Iterator[Piece]:
    """Yields the frames of `stream` in the order in which the decoder gives them.

    Args:
      container: An open av container, at its start or, without corrections in `line`, after a seek.
      stream: One of its streams.
      line: What is known of its packets; None takes their stamps as they are.
      errors: Receives the reason of each packet that was passed over.
      first: Number of the packet to begin with; those before are read, not decoded.
    """
    if not stream.codec_context.is_open:
        # The workers that decode clips side by side use all cores already.
        stream.codec_context.thread_count = 1
    tick = float(stream.time_base)
    is_video = stream.type == "video"
    clock = _VideoClock(container, stream) if is_video else _AudioClock(container, line)
    expected = (container.start_time or 0) / av.time_base
    frames = _frames(container, stream, line, first, clock, errors)
    if line is not None and line.in_one_order and is_video:
        frames = clock.watched(frames)
    for frame in frames:
        stamp = clock.stamp(frame)
        duration = clock.duration(frame)
        time = expected if stamp is None else stamp * tick
        yield Piece(time, duration, frame, stamp is not None)
        expected = time + duration


def _frames(container, stream, line, first, clock, errors):
    shifts = dict(line.shifts) if line else {}
    damaged, turned = (line.damaged, line.turned) if line else ((), {})
    shift = 0
    for number, packet in enumerate(_packets(container, stream, errors)):
        if number in shifts:
            shift = shifts[number]
            if number > first:
                # What follows has nothing to do with what came before.
                yield from _decoded(stream.codec_context, None, errors)
                stream.codec_context.flush_buffers()
                clock.start_again()
        if number < first:
            continue
        _correct(packet, shift + turned.get(number, 0), number in damaged)
        clock.see(packet)
        # An empty packet, as AVI has for a picture that is shown again, would end the decoder.
        if packet.size:
            yield from _decoded(stream.codec_context, packet, errors)
    yield from _decoded(stream.codec_context, None, errors)


def _packets(container, stream, errors):
    try:
        for packet in container.demux(stream):
            if packet.size or packet.dts is not None:
                yield packet
    except (av.FFmpegError, OSError) as error:
        errors.append(error.strerror or str(error))


def _correct(packet, shift, damaged):
    if damaged:
        packet.pts = packet.dts = None
    elif shift:
        packet.pts = None if packet.pts is None else packet.pts + shift
        packet.dts = None if packet.dts is None else packet.dts + shift


def _decoded(codec, packet, errors):
    try:
        yield from codec.decode(packet)
    except (av.FFmpegError, OSError) as error:
        whole = _whole_samples(codec, packet)
        if whole is None:
            errors.append(error.strerror or str(error))
        else:
            yield from _decoded(codec, whole, errors)


def _whole_samples(codec, packet):
    """Returns a packet of PCM without the part of a sample at its end; None where there is none."""
    if packet is None or not codec.name.startswith("pcm_"):
        return None
    data, size = bytes(packet), codec.channels * codec.codec.audio_formats[0].bytes
    whole = av.Packet(data[: len(data) // size * size])
    if not 0 < whole.size < packet.size:
        return None
    whole.pts, whole.dts, whole.time_base = packet.pts, packet.dts, packet.time_base
    return whole


class _AudioClock:
    def __init__(self, container, line):
        name = container.format.name
        # Ogg and FLAC count samples; FFmpeg takes them for those of the first part where files were joined.
        in_parts = line is not None and line.shifts
        self._has_stamps = name not in _UNSTAMPED and not (in_parts and name == "flac")
        self._counts_samples = name == "ogg"
        self._begun = False

    def see(self, packet):
        pass

    def start_again(self):
        self._has_stamps = self._has_stamps and not self._counts_samples

    def stamp(self, frame):
        counts = self._begun and not self._has_stamps
        self._begun = True
        return None if counts else frame.pts

    def duration(self, frame):
        return frame.samples / frame.sample_rate


class _VideoClock:
    """Time stamps of pictures.

    Of the two that FFmpeg gives, presentation and decoding time, it trusts the one that has run backwards
    less often, like FFmpeg's best-effort time stamp. Where pictures are put in order, AVI only has decoding
    times, which are later by the delay of the decoder; that of the first picture is taken off.
    """

    def __init__(self, container, stream):
        rate = stream.average_rate or stream.guessed_rate
        self._tick = float(stream.time_base)
        self._usual_duration = float(1 / rate) if rate else 0.04
        in_avi = container.format.name == "avi"
        self._counts_pictures = in_avi and stream.codec_context.has_b_frames
        self._first_packet = None
        self._delay = None if self._counts_pictures else 0
        self._last = {"pts": None, "dts": None}
        self._faults = {"pts": 0, "dts": 0}

    def start_again(self):
        pass

    def see(self, packet):
        if self._first_packet is None:
            self._first_packet = packet.dts

    def watched(self, frames):
        """Yields the frames; where the first ones run backwards, their stamps are those of decoding."""
        first = list(itertools.islice(frames, _WATCHED))
        stamps = [frame.pts for frame in first if frame.pts is not None]
        if any(after <= before for before, after in zip(stamps, stamps[1:])):
            self._counts_pictures, self._delay = True, None
        yield from first
        yield from frames

    def stamp(self, frame):
        pts = None if self._counts_pictures else frame.pts
        self._check("pts", pts)
        self._check("dts", frame.dts)
        if pts is not None and (frame.dts is None or self._faults["pts"] <= self._faults["dts"]):
            return pts
        if frame.dts is None:
            return None
        if self._delay is None:
            delay = frame.dts - self._first_packet
            longest = MAX_DECODER_DELAY * self._usual_duration
            self._delay = delay if delay * self._tick <= longest else 0
        return frame.dts - self._delay

    def duration(self, frame):
        return frame.duration * self._tick or self._usual_duration

    def _check(self, kind, stamp):
        if stamp is not None:
            last = self._last[kind]
            self._faults[kind] += last is not None and stamp <= last
            self._last[kind] = stamp
