"""The packets of a media file: what they tell without being decoded."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np

# In place of a stamp that is not there.
UNKNOWN = np.iinfo(np.int64).min
# A clock that runs back by more seconds has started again.
_BACK = 0.1
# Stamps may be damaged where the clock jumps by more seconds; less is a pause.
_JUMP = 10.0
# What runs back or jumps by no more than so many of the usual steps has been put in another order.
_REORDERED = 4
# Packets that tell where the clock begins.
_FIRST = 64
# Ticks after which the clock of MPEG-TS and MPEG-PS begins again at 0 (ITU-T H.222.0).
_WRAP = 2**33
# Stamps that leave the clock for less time than this, in seconds, and come back are damaged.
_BRIEF = 0.5


def usual_step(stamps: np.ndarray) -> float:
    """Returns the ticks from one stamp to the next, as a rule; 0 with less than two.

    Args:
      stamps: (N,) int64, in any order, each known.
    """
    steps = np.diff(np.sort(stamps))
    return float(np.median(steps[steps > 0])) if np.any(steps > 0) else 0.0


class Packets:
    """The packets of a stream, in the order of the file.

    Args:
      stream: The stream.
      container: FFmpeg's name of the format of the file.

    Attributes:
      is_video: Whether they hold pictures.
      tick: Seconds; the unit of stamps.
      counts_pictures: Whether stamps are those of AVI, which count pictures in the order of decoding.
      wraps: Whether stamps begin again at 0 after 26.5 hours.
      in_one_order: Whether pictures are stated to be shown in the order of decoding.
      decoding: (N,) int64 ticks at which they are to be decoded, or UNKNOWN.
      showing: (N,) int64 ticks at which what they hold is to be shown, or UNKNOWN.
      durations: (N,) int64 ticks; 0 where the file does not tell.
      keys: (N,) bool, whether a packet can be decoded without those before it.
      kept: (N,) bool, whether what a packet holds is part of the film.
      order: (N,) int64, numbers among the packets of all streams.
      places: (N,) int64 bytes of the file; -1 where unknown.
      last_byte: Up to which packets were read; 0 where they do not say where they are.
      turned: Numbers of packets -> ticks that were added to their stamps, as the clock has begun at 0 again.
      damaged: (M,) int64, numbers of the packets whose stamps are not to be believed.
      restarts: Numbers of those at which the clock starts again.
      jumps: Numbers of those before which it jumps ahead, and by how many seconds.
    """

    def __init__(self, stream: av.stream.Stream, container: str):
        self.is_video = stream.type == "video"
        self.tick = float(stream.time_base)
        # AVI tells when pictures are decoded, not when they are shown; FFmpeg guesses the latter.
        self.counts_pictures = self.is_video and container == "avi"
        # Matroska tells when they are shown.
        self._decoding_is_guessed = self.is_video and container == "matroska,webm"
        self.wraps = container in ("mpegts", "mpeg")
        self.last_byte = 0
        self._rows = []
        self._place = -1

    def add(self, packet: av.Packet, order: int) -> None:
        """Notes the next packet."""
        # Only the first of the packets that are cut out of one piece of a file has a place.
        self._place = self._place if packet.pos is None else packet.pos
        if self._place >= 0:
            self.last_byte = max(self.last_byte, self._place + packet.size)
        showing = packet.dts if self.counts_pictures or packet.pts is None else packet.pts
        self._rows.append(
            (
                UNKNOWN if packet.dts is None else packet.dts,
                UNKNOWN if showing is None else showing,
                packet.duration or 0,
                packet.pts == packet.dts,
                packet.is_keyframe,
                bool(packet.size) and not packet.is_discard,
                order,
                self._place,
            )
        )

    def times(self) -> Iterator[tuple[int, float]]:
        """Yields order and time in seconds of the first that were added, where packets have one."""
        return ((row[6], row[1] * self.tick) for row in self._rows[:_FIRST] if row[1] != UNKNOWN)

    def finish(self, begin: float) -> Packets:
        """Makes the arrays of what was added; `begin` is a time near the file's beginning, in seconds."""
        columns = np.array(self._rows, np.int64).reshape(-1, 8).T.copy()
        self.decoding, self.showing, self.durations = columns[:3]
        self.in_one_order = bool(columns[3].all())
        self.keys, self.kept = columns[4].astype(bool), columns[5].astype(bool)
        self.order, self.places = columns[6:]
        self._rows = []
        if self._decoding_is_guessed and not self.in_one_order:
            self.decoding = self._decoding_of_groups()
        elif np.all(self.decoding == UNKNOWN):
            self.decoding = self.showing
        self.turned = self._unwrap(begin) if self.wraps else {}
        self._find_faults()
        return self

    def __len__(self) -> int:
        return len(self.showing)

    def _unwrap(self, begin):
        """Puts stamps that are a turn of the clock away from those of the beginning beside them."""
        numbers = np.flatnonzero(self.decoding != UNKNOWN)
        stamps = self.decoding[numbers]
        steps = (np.diff(stamps) + _WRAP // 2) % _WRAP - _WRAP // 2
        turns = np.cumsum([0, *steps]) - (stamps - stamps[:1])
        near = np.abs(stamps * self.tick - begin) < _WRAP / 2 * self.tick
        values, counts = np.unique(turns[near] if near.any() else turns, return_counts=True)
        turns -= values[np.argmax(counts)] if len(values) else 0
        turned = dict(zip(numbers[turns != 0].tolist(), turns[turns != 0].tolist()))
        for number, ticks in turned.items():
            self.decoding[number] += ticks
            if self.showing is not self.decoding and self.showing[number] != UNKNOWN:
                self.showing[number] += ticks
        return turned

    def _decoding_of_groups(self):
        """Returns times for the first and the last packet of each group: of a key frame, and near the end.

        Within a group pictures may be in any order.
        """
        decoding = np.full(len(self.showing), UNKNOWN)
        firsts = np.flatnonzero(self.keys)
        for first, end in zip(firsts, [*firsts[1:], len(self.showing)]):
            shown = np.sort(self.showing[first:end][self.showing[first:end] != UNKNOWN])
            if len(shown):
                # The highest ones may be damaged.
                decoding[end - 1] = shown[-min(3, len(shown))]
                decoding[first] = self.showing[first]
        return decoding

    def _find_faults(self):
        numbers = np.flatnonzero(self.decoding != UNKNOWN)
        times = self.decoding[numbers] * self.tick
        steps = np.diff(times)
        usual = usual_step(self.showing[self.showing != UNKNOWN]) * self.tick
        far_back, far = max(_BACK, _REORDERED * usual), max(_JUMP, _REORDERED * usual)
        bounds = np.flatnonzero((steps < -far_back) | (steps > far)) + 1
        runs = list(zip([0, *bounds], [*bounds, len(times)]))
        damaged, self.restarts, self.jumps = [], [], []
        end = times[runs[0][1] - 1] if len(times) else 0.0
        for (start, stop), (after, _) in zip(runs[1:], [*runs[2:], (None, None)]):
            brief = times[stop - 1] - times[start] < _BRIEF
            if brief and after is not None and -far_back <= times[after] - end <= far:
                damaged += range(start, stop)
                continue
            if times[start] < end - far_back:
                self.restarts.append(int(numbers[start]))
            elif times[start] - end > far:
                self.jumps.append((int(numbers[start]), float(times[start] - end)))
            end = times[stop - 1]
        self.damaged = numbers[damaged].astype(np.int64)


def read_packets(container: av.container.InputContainer) -> tuple[dict[int, Packets], str]:
    """Reads all packets of the pictures and sounds of a newly opened file.

    Returns:
      Index of a stream -> its packets; and why reading ended before the end of the file, empty if it did not.
    """
    streams = [*container.streams.video, *container.streams.audio]
    packets = {stream.index: Packets(stream, container.format.name) for stream in streams}
    broke_off = ""
    try:
        # Without a stream, all of the file would be read.
        for order, packet in enumerate(container.demux(streams) if streams else ()):
            if packet.size or packet.dts is not None:
                packets[packet.stream_index].add(packet, order)
    except (av.FFmpegError, OSError) as error:
        broke_off = error.strerror or str(error)
    first = sorted(each for stream in packets.values() for each in stream.times())[:_FIRST]
    begin = sorted(time for _, time in first)[len(first) // 2] if first else 0.0
    return {index: each.finish(begin) for index, each in packets.items()}, broke_off
