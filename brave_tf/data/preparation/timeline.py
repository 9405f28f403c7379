"""The clock of a media file, made continuous: what its packets tell without being decoded.

The clock of some files starts again midway: of recordings that were joined (MPEG-TS, MPEG-PS, VOB, FLV),
and of chained Ogg. All streams of the file then go on where its pictures ended, so that pictures and sound
stay together. Single stamps may be damaged; those that follow tell a damaged stamp from a pause.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import av
import numpy as np

# A clock that runs back by more seconds has started again.
_BACK = 0.1
# Stamps may be damaged where the clock jumps by more seconds; less is a pause.
_JUMP = 10.0
# Stamps that leave the clock for less time than this, in seconds, and come back are damaged.
_BRIEF = 0.5
# Streams start again together: one follows another within so many seconds.
_TOGETHER = 2.0
# Sound that overlaps by less, in seconds, where files were joined is the run-up of its codec.
_RUN_UP = 0.1
_UNKNOWN = np.iinfo(np.int64).min


class Line(NamedTuple):
    """The packets of a stream on the continuous clock, in the order of the file.

    Attributes:
      tick: Seconds.
      stamps: (N,) int64 ticks at which packets are to be shown; `known` tells where there is one.
      durations: (N,) int64 ticks; 0 where the file does not tell.
      keys: (N,) bool, whether a packet can be decoded without those before it.
      kept: (N,) bool, whether what a packet holds is part of the film.
      shifts: Numbers of packets, and by how many ticks their stamps and all that follow are shifted.
      damaged: Numbers of the packets whose stamps are not to be believed.
      counts_pictures: Whether stamps are those of AVI, which count pictures in the order of decoding.
      in_one_order: Whether pictures are stated to be shown in the order of decoding.
    """

    tick: float
    stamps: np.ndarray
    durations: np.ndarray
    keys: np.ndarray
    kept: np.ndarray
    shifts: tuple[tuple[int, int], ...]
    damaged: frozenset[int]
    counts_pictures: bool = False
    in_one_order: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the stamps of the file can be taken as they are."""
        return not self.shifts and not self.damaged

    @property
    def known(self) -> np.ndarray:
        """(N,) bool, whether packets have a stamp."""
        return self.stamps != _UNKNOWN

    @property
    def usual_duration(self) -> float:
        """Seconds from one packet to the next, most of the time; 0 with less than two."""
        steps = np.diff(np.sort(self.stamps[self.known & self.kept]))
        return float(np.median(steps[steps > 0])) * self.tick if np.any(steps > 0) else 0.0

    def end(self) -> float | None:
        """Returns the seconds at which the last packet ends; None where the file does not tell."""
        shown = np.flatnonzero(self.known & self.kept)
        if not len(shown):
            return None
        last = shown[np.argmax(self.stamps[shown])]
        own = float(self.durations[last]) * self.tick
        return float(self.stamps[last]) * self.tick + (own or self.usual_duration)


class Timeline(NamedTuple):
    """What the packets of a file tell.

    Attributes:
      lines: Index of a stream -> its line.
      restarts: Seconds on the continuous clock at which the file's own clock starts again.
      broke_off: Why reading ended before the end of the file; empty if it did not.
      last_byte: Of the file, up to which packets were read; 0 where they do not say where they are.
    """

    lines: Mapping[int, Line]
    restarts: tuple[float, ...]
    broke_off: str
    last_byte: int

    @property
    def counts(self) -> dict[int, int]:
        """Index of a stream -> how many packets it holds."""
        return {index: int(line.kept.sum()) for index, line in self.lines.items()}


class _Packets:
    """The packets of a stream as they were read."""

    def __init__(self, stream, use_dts):
        self.is_video = stream.type == "video"
        self.tick = float(stream.time_base)
        self._use_dts = use_dts
        self._rows = []
        self._place = -1
        self.last_byte = 0

    def add(self, packet, order):
        # Only the first of the packets that are cut out of one piece of a file has a place.
        self._place = self._place if packet.pos is None else packet.pos
        self.last_byte = max(self.last_byte, self._place + packet.size)
        showing = packet.dts if self._use_dts or packet.pts is None else packet.pts
        self._rows.append(
            (
                _UNKNOWN if packet.dts is None else packet.dts,
                _UNKNOWN if showing is None else showing,
                packet.duration or 0,
                packet.pts == packet.dts,
                packet.is_keyframe,
                bool(packet.size) and not packet.is_discard,
                order,
                self._place,
            )
        )

    def finish(self):
        columns = np.array(self._rows, np.int64).reshape(-1, 8).T
        self.decoding, self.showing, self.durations, same, keys, kept, self.order, self.places = (
            columns
        )
        self.in_one_order = bool(same.all())
        self.keys, self.kept = keys.astype(bool), kept.astype(bool)
        if np.all(self.decoding == _UNKNOWN):
            self.decoding = self.showing
        self.damaged, self.restarts = _faults(self)
        return self

    def __len__(self):
        return len(self._rows)

    @property
    def counts_pictures(self):
        return self._use_dts


def read(container: av.container.InputContainer) -> Timeline:
    """Reads all packets of the pictures and sounds of a newly opened file, without decoding them."""
    streams = [*container.streams.video, *container.streams.audio]
    is_avi = container.format.name == "avi"
    # AVI tells when pictures are decoded, not when they are shown; FFmpeg guesses the latter.
    packets = {s.index: _Packets(s, is_avi and s.type == "video") for s in streams}
    broke_off = ""
    try:
        # Without a stream, all of the file would be read.
        for order, packet in enumerate(container.demux(streams) if streams else ()):
            if packet.size or packet.dts is not None:
                packets[packet.stream_index].add(packet, order)
    except (av.FFmpegError, OSError) as error:
        broke_off = error.strerror or str(error)
    held = {index: each.finish() for index, each in packets.items()}
    parts = _parts(held)
    shifts = _shifts(held, parts)
    lines = {index: _line(held[index], parts, shifts, index) for index in held}
    last_byte = max((each.last_byte for each in held.values()), default=0)
    return Timeline(lines, tuple(_restarts(held, parts, shifts)), broke_off, last_byte)


def _line(packets, parts, shifts, index):
    stamps = packets.showing.copy()
    own = []
    for part, shift in zip(parts[1:], shifts[1:]):
        ticks = round(shift / packets.tick)
        first = part[index]
        known = packets.showing[first:] != _UNKNOWN
        stamps[first:][known] = packets.showing[first:][known] + ticks
        own.append((first, ticks))
    damaged = frozenset(packets.damaged.tolist())
    stamps[packets.damaged] = _UNKNOWN
    return Line(
        packets.tick,
        stamps,
        packets.durations,
        packets.keys,
        packets.kept,
        tuple(own),
        damaged,
        packets.counts_pictures,
        packets.in_one_order,
    )


def _faults(packets):
    """Returns the numbers of packets with damaged stamps, and of those at which the clock starts again."""
    numbers = np.flatnonzero(packets.decoding != _UNKNOWN)
    times = packets.decoding[numbers] * packets.tick
    steps = np.diff(times)
    bounds = np.flatnonzero((steps < -_BACK) | (steps > _JUMP)) + 1
    runs = list(zip([0, *bounds], [*bounds, len(times)]))
    damaged, restarts = [], []
    end = times[runs[0][1] - 1] if len(times) else 0.0
    for (start, stop), (after, _) in zip(runs[1:], [*runs[2:], (None, None)]):
        brief = times[stop - 1] - times[start] < _BRIEF
        if brief and after is not None and -_BACK <= times[after] - end <= _JUMP:
            damaged += range(start, stop)
            continue
        if times[start] < end - _BACK:
            restarts.append(start)
        end = times[stop - 1]
    return numbers[damaged].astype(np.int64), [int(numbers[start]) for start in restarts]


def _parts(held: Mapping[int, _Packets]) -> list[dict[int, int]]:
    """Returns the first packet of each stream in each part of the file that has a clock of its own."""
    events = sorted(
        (packets.order[number], index, number)
        for index, packets in held.items()
        for number in packets.restarts
    )
    parts = [dict.fromkeys(held, 0)]
    for order, index, number in events:
        part = parts[-1]
        if len(parts) > 1 and index not in part and _runs_for(held, part, order) < _TOGETHER:
            part[index] = number
        else:
            parts.append({index: number})
    for before, part in zip(parts, parts[1:]):
        place = min(held[index].places[number] for index, number in part.items())
        order = min(held[index].order[number] for index, number in part.items())
        for index in held.keys() - part.keys():
            # Its clock shows no break here, but is another one: the place in the file tells.
            later = held[index].places >= place if place >= 0 else held[index].order >= order
            first = int(np.argmax(later)) if later.any() else len(held[index])
            part[index] = max(first, before[index])
    return parts


def _runs_for(held, part, order):
    """Returns for how many seconds the streams of a part have run when the packet `order` is read."""
    seconds = 0.0
    for index, number in part.items():
        packets = held[index]
        last = bisect.bisect_left(packets.order, order) - 1
        if packets.decoding[last] != _UNKNOWN:
            ran = packets.decoding[last] - packets.decoding[number]
            seconds = max(seconds, float(ran) * packets.tick)
    return seconds


def _shifts(held: Mapping[int, _Packets], parts: Sequence[dict[int, int]]) -> list[float]:
    """Returns the seconds by which the stamps of each part are shifted."""
    shifts = [0.0]
    spans = list(_spans(held, parts))
    for before, span in zip(spans, spans[1:]):
        ends = {index: end + shifts[-1] for index, (_, end) in before.items()}
        both = [i for i in span if i in ends]
        films = [ends[i] - span[i][0] for i in both if held[i].is_video]
        sounds = [ends[i] - span[i][0] for i in both if not held[i].is_video]
        shift = max(films or sounds, default=max(ends.values(), default=0.0))
        # Nothing of the new part may lie within the old one, but for the run-up of codecs.
        begin = min((begin for begin, _ in span.values()), default=0.0)
        apart = max(ends.values(), default=0.0) - begin
        shifts.append(apart if apart - shift > _RUN_UP else shift)
    return shifts


def _spans(held, parts) -> Iterator[dict[int, tuple[float, float]]]:
    """Yields begin and end of each stream in each part, in seconds on the clock of the part."""
    lasts = [*parts[1:], {index: len(packets) for index, packets in held.items()}]
    for part, following in zip(parts, lasts):
        span = {}
        for index, packets in held.items():
            inside = np.zeros(len(packets), bool)
            inside[part[index] : following[index]] = True
            inside[packets.damaged] = False
            inside &= (packets.showing != _UNKNOWN) & packets.kept
            if inside.any():
                span[index] = _span(packets, inside)
        yield span


def _span(packets, inside):
    stamps = packets.showing[inside]
    steps = np.diff(np.sort(stamps))
    usual = np.median(steps[steps > 0]) if np.any(steps > 0) else 0
    ends = stamps + np.where(packets.durations[inside] > 0, packets.durations[inside], usual)
    begin = stamps.min() * packets.tick
    # A start a little below zero is the run-up of the codec.
    return (0.0 if -1.0 < begin < 0 else begin), ends.max() * packets.tick


def _restarts(held, parts, shifts):
    for span, shift in list(zip(_spans(held, parts), shifts))[1:]:
        yield min((begin for begin, _ in span.values()), default=0.0) + shift
