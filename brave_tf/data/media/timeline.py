"""The clock of a media file, made continuous.

The clock of some files starts again midway: of recordings that were joined (MPEG-TS, MPEG-PS, VOB, Matroska),
and of chained Ogg. Pictures and sound then go on together where the pictures ended. Single stamps may be
damaged; those that follow tell a damaged stamp from a pause.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from brave_tf.data.media.packets import UNKNOWN, Packets, usual_step

# Streams start again together: one follows another within so many seconds.
_TOGETHER = 2.0
# Sound that overlaps by less, in seconds, where files were joined is the run-up of its codec.
_RUN_UP = 0.1


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
      turned: Numbers of packets -> how many ticks their own stamps are shifted by.
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
    turned: Mapping[int, int]
    counts_pictures: bool = False
    in_one_order: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the stamps of the file can be taken as they are."""
        return not self.shifts and not self.damaged and not self.turned

    @property
    def known(self) -> np.ndarray:
        """(N,) bool, whether packets have a stamp."""
        return self.stamps != UNKNOWN

    def end(self) -> float | None:
        """Returns the seconds at which the last packet ends; None where the file does not tell."""
        shown = np.flatnonzero(self.known & self.kept)
        if not len(shown):
            return None
        last = shown[np.argmax(self.stamps[shown])]
        lasts = float(self.durations[last]) or usual_step(self.stamps[shown])
        end = (float(self.stamps[last]) + lasts) * self.tick
        part = slice(self.shifts[-1][0] if self.shifts else 0, None)
        return max(
            end, _counted_end(self.stamps[part], self.durations[part], self.kept[part], self.tick)
        )


class Timeline(NamedTuple):
    """What the packets of the chosen streams of a file tell.

    Attributes:
      lines: Index of a stream -> its line.
      restarts: Seconds on the continuous clock at which the file's own clock starts again.
      jumps: Seconds on it at which the clock jumps ahead, in all streams alike, and by how many.
      broke_off: Why reading ended before the end of the file; empty if it did not.
    """

    lines: Mapping[int, Line]
    restarts: tuple[float, ...]
    jumps: tuple[tuple[float, float], ...]
    broke_off: str


def make_timeline(packets: Mapping[int, Packets], broke_off: str) -> Timeline:
    """Returns the timeline of streams that belong together.

    Args:
      packets: Index of a stream -> its packets. Streams of other programs have other clocks.
      broke_off: From `read_packets`.
    """
    parts = _parts(packets)
    spans = list(_spans(packets, parts))
    shifts = _shifts(packets, spans)
    lines = {index: _line(packets[index], parts, shifts, index) for index in packets}
    restarts, jumps = tuple(_restarts(packets, spans, shifts)), tuple(_jumps(packets, lines))
    return Timeline(lines, restarts, jumps, broke_off)


def _line(packets, parts, shifts, index):
    stamps = packets.showing.copy()
    own = []
    lasts = [part[index] for part in parts[2:]] + [len(packets)]
    for part, last, shift in zip(parts[1:], lasts, shifts[1:]):
        ticks = round(shift / packets.tick)
        inside = stamps[part[index] : last]
        inside[inside != UNKNOWN] += ticks
        own.append((part[index], ticks))
    damaged = frozenset(packets.damaged.tolist())
    stamps[packets.damaged] = UNKNOWN
    return Line(
        packets.tick,
        stamps,
        packets.durations,
        packets.keys,
        packets.kept,
        tuple(own),
        damaged,
        packets.turned,
        packets.counts_pictures,
        packets.in_one_order,
    )


def _parts(packets: Mapping[int, Packets]) -> list[dict[int, int]]:
    """Returns the first packet of each stream in each part of the file that has a clock of its own."""
    events = sorted(
        (each.order[number], index, number)
        for index, each in packets.items()
        for number in each.restarts
    )
    parts = [dict.fromkeys(packets, 0)]
    for order, index, number in events:
        part = parts[-1]
        if len(parts) > 1 and index not in part and _runs_for(packets, part, order) < _TOGETHER:
            part[index] = number
        else:
            parts.append({index: number})
    for before, part in zip(parts, parts[1:]):
        place = min(packets[index].places[number] for index, number in part.items())
        order = min(packets[index].order[number] for index, number in part.items())
        for index in packets.keys() - part.keys():
            # Its clock shows no break here, but is another one: the place in the file tells.
            later = packets[index].places >= place if place >= 0 else packets[index].order >= order
            first = int(np.argmax(later)) if later.any() else len(packets[index])
            part[index] = max(first, before[index])
    return parts


def _runs_for(packets, part, order):
    """Returns for how many seconds the streams of a part have run when the packet `order` is read."""
    seconds = 0.0
    for index, number in part.items():
        each = packets[index]
        last = bisect.bisect_left(each.order, order) - 1
        if each.decoding[last] != UNKNOWN:
            ran = float(each.decoding[last] - each.decoding[number]) * each.tick
            seconds = max(seconds, ran)
    return seconds


def _shifts(
    packets: Mapping[int, Packets], spans: Sequence[Mapping[int, tuple[float, float]]]
) -> list[float]:
    """Returns the seconds by which the stamps of each part are shifted."""
    shifts = [0.0]
    for before, span in zip(spans, spans[1:]):
        ends = {index: end + shifts[-1] for index, (_, end) in before.items()}
        both = [index for index in span if index in ends]
        films = [ends[i] - span[i][0] for i in both if packets[i].is_video]
        sounds = [ends[i] - span[i][0] for i in both if not packets[i].is_video]
        # Nothing of the new part may lie within the old one, but for the run-up of codecs.
        begin = min((begin for begin, _ in span.values()), default=0.0)
        apart = max(ends.values(), default=shifts[-1]) - begin
        shift = max(films or sounds, default=apart)
        shifts.append(apart if apart - shift > _RUN_UP else shift)
    return shifts


def _spans(packets, parts) -> Iterator[dict[int, tuple[float, float]]]:
    """Yields begin and end of each stream in each part, in seconds on the clock of the part."""
    shown = {index: _shown(each) for index, each in packets.items()}
    lasts = [*parts[1:], {index: len(each) for index, each in packets.items()}]
    for part, following in zip(parts, lasts):
        own = {index: slice(part[index], following[index]) for index in packets}
        yield {
            index: _span(each, own[index], shown[index][own[index]])
            for index, each in packets.items()
            if shown[index][own[index]].any()
        }


def _shown(packets):
    shown = (packets.showing != UNKNOWN) & packets.kept
    shown[packets.damaged] = False
    return shown


def _counted_end(stamps, durations, kept, tick):
    """Returns where packets end that follow the first stamp one by one, if not all have one; else -inf."""
    first = stamps[(stamps != UNKNOWN) & kept][:1]
    if not len(first) or np.all(stamps != UNKNOWN):
        return -np.inf
    return float(first[0] + durations[kept].sum()) * tick


def _span(packets, own, shown):
    stamps, durations = packets.showing[own][shown], packets.durations[own][shown]
    ends = stamps + np.where(durations > 0, durations, usual_step(stamps))
    begin, end = stamps.min() * packets.tick, ends.max() * packets.tick
    counted = _counted_end(
        packets.showing[own], packets.durations[own], packets.kept[own], packets.tick
    )
    # A start a little below zero is the run-up of the codec.
    return (0.0 if -1.0 < begin < 0 else begin), max(end, counted)


def _restarts(packets, spans, shifts):
    for span, shift in zip(spans[1:], shifts[1:]):
        films = [begin for index, (begin, _) in span.items() if packets[index].is_video]
        yield min(films or [begin for begin, _ in span.values()], default=0.0) + shift


def _jumps(packets, lines):
    """Yields the jumps that all streams share: the seconds they end at, and how long they are."""
    first, *others = packets
    for number, seconds in packets[first].jumps:
        shared = (any(abs(s - seconds) < _TOGETHER for _, s in packets[i].jumps) for i in others)
        if all(shared):
            yield float(lines[first].stamps[number]) * lines[first].tick, seconds
