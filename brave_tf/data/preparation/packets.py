"""The packets of a media file: what they tell without being decoded."""

from __future__ import annotations

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
# Seconds after which the clock of MPEG-TS and MPEG-PS begins again at 0: 33 bits at 90 kHz (ITU-T H.222.0).
_WRAP = 2**33 / 90_000
# Stamps that leave the clock for less time than this, in seconds, and come back are damaged.
_BRIEF = 0.5


class Packets:
    """The packets of a stream, in the order of the file.

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
      last_byte: Up to which packets were read.
      damaged: (M,) int64, numbers of the packets whose stamps are not to be believed.
      restarts: Numbers of those at which the clock starts again.
      jumps: Numbers of those before which it jumps ahead, and by how many seconds.
    """

    def __init__(self, stream: av.stream.Stream, counts_pictures: bool, wraps: bool):
        self.is_video = stream.type == "video"
        self.tick = float(stream.time_base)
        self.counts_pictures = counts_pictures
        self.wraps = wraps
        self.last_byte = 0
        self._rows = []
        self._place = -1

    def add(self, packet: av.Packet, order: int) -> None:
        """Notes the next packet."""
        # Only the first of the packets that are cut out of one piece of a file has a place.
        self._place = self._place if packet.pos is None else packet.pos
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

    def finish(self) -> Packets:
        """Makes the arrays of what was added."""
        columns = np.array(self._rows, np.int64).reshape(-1, 8).T.copy()
        self.decoding, self.showing, self.durations = columns[:3]
        self.in_one_order = bool(columns[3].all())
        self.keys, self.kept = columns[4].astype(bool), columns[5].astype(bool)
        self.order, self.places = columns[6:]
        self._rows = []
        if np.all(self.decoding == UNKNOWN):
            self.decoding = self.showing
        self._find_faults()
        return self

    def __len__(self) -> int:
        return len(self.showing)

    def _find_faults(self):
        numbers = np.flatnonzero(self.decoding != UNKNOWN)
        times = self.decoding[numbers] * self.tick
        if self.wraps and len(times):
            steps = (np.diff(times) + _WRAP / 2) % _WRAP - _WRAP / 2
            times = times[0] + np.concatenate([[0.0], np.cumsum(steps)])
        steps = np.diff(times)
        usual = float(np.median(steps[steps > 0])) if np.any(steps > 0) else 0.0
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
    in_avi = container.format.name == "avi"
    # AVI tells when pictures are decoded, not when they are shown; FFmpeg guesses the latter.
    wraps = container.format.name in ("mpegts", "mpeg")
    packets = {s.index: Packets(s, in_avi and s.type == "video", wraps) for s in streams}
    broke_off = ""
    try:
        # Without a stream, all of the file would be read.
        for order, packet in enumerate(container.demux(streams) if streams else ()):
            if packet.size or packet.dts is not None:
                packets[packet.stream_index].add(packet, order)
    except (av.FFmpegError, OSError) as error:
        broke_off = error.strerror or str(error)
    return {index: each.finish() for index, each in packets.items()}, broke_off
