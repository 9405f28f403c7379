"""Media files put together from others, packet by packet or end to end."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

import av


def joined(path: pathlib.Path, parts: Sequence[pathlib.Path]) -> pathlib.Path:
    """Writes one file with the bytes of all parts, one after the other."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def remuxed(
    path: pathlib.Path,
    sources: Sequence[pathlib.Path],
    change: Callable[[int, str, float], float | None] = lambda number, kind, time: time,
    dispositions: Sequence[int] = (),
) -> pathlib.Path:
    """Copies the packets of all streams of all sources to one file.

    Args:
      path: The new file.
      sources: Existing ones.
      change: (number of a packet in its stream, 'video' or 'audio', its seconds) -> other seconds; None
        leaves the packet out.
      dispositions: Of the streams, in their order.
    """
    opened = [av.open(str(source)) for source in sources]
    with av.open(str(path), "w") as target:
        packets, copies = [], {}
        for place, source in enumerate(opened):
            for stream in source.streams:
                copies[place, stream.index] = target.add_stream_from_template(stream)
        for copy, disposition in zip(copies.values(), dispositions):
            copy.disposition = disposition
        for place, source in enumerate(opened):
            counts = dict.fromkeys((stream.index for stream in source.streams), -1)
            for packet in source.demux():
                if packet.dts is None:
                    continue
                index = packet.stream_index
                counts[index] += 1
                time = float(packet.dts * packet.time_base)
                changed = change(counts[index], packet.stream.type, time)
                if changed is not None:
                    shift = round((changed - time) / packet.time_base)
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = copies[place, index]
                    packets.append((changed, len(packets), packet))
        for _, _, packet in sorted(packets, key=lambda each: each[:2]):
            target.mux(packet)
    for source in opened:
        source.close()
    return path
