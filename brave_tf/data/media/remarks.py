"""Words for what is noticed of a media file that may make its clips other than they should be."""

from __future__ import annotations

from collections.abc import Sequence

import av

from brave_tf.data.media import wav_header
from brave_tf.data.media.decoding import Piece
from brave_tf.data.media.timeline import Line, Timeline

# Containers whose headers state the duration, rather than let FFmpeg estimate it.
_STATE_DURATION = ("avi", "flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2")
# Containers of which files are joined byte by byte.
_JOINED = ("mpegts", "mpeg", "ogg")
# Seconds, and share, by which a file may be shorter than it states.
_SHORTER = 1.0, 0.02
# Bytes of samples of which a WAV file's header says that nobody knew how many there would be.
_STREAMED = 0x7FFF0000
_NOUNS = {"video": "pictures", "audio": "stretches of sound"}


def of_timeline(
    timeline: Timeline, container: av.container.InputContainer, origin: float, end: float | None
) -> list[str]:
    """Returns what the packets of a file tell.

    Args:
      timeline: Of the file.
      container: The open file.
      origin: What its continuous clock shows at second 0.
      end: What it shows at the end of pictures and sound.
    """
    found = []
    if timeline.restarts:
        times = ", ".join(f"{time - origin:.2f}" for time in timeline.restarts[:3])
        more = f" and {len(timeline.restarts) - 3} times more" if timeline.restarts[3:] else ""
        found.append(
            f"its clock starts again at {times} s{more}: what follows is taken to go on there"
        )
    damaged = sum(len(line.damaged) for line in timeline.lines.values())
    if damaged:
        found.append(f"{damaged} of its time stamps are damaged")
    if container.format.name in _JOINED and timeline.jumps:
        at, seconds = timeline.jumps[0]
        found.append(
            f"its clock jumps ahead by {seconds:.1f} s, to {at - origin:.1f} s: taken for a pause"
        )
    for index, line in timeline.lines.items():
        stream, count = container.streams[index], int(line.kept.sum())
        if line.counts_pictures and 0 < count < stream.frames:
            found.append(
                f"{stream.frames - count} of its {stream.frames} pictures are lost: later ones may be early"
            )
    if timeline.broke_off:
        found.append(f"it cannot be read to its end: {timeline.broke_off}")
    stated_by = container.format.name if container.streams.video else ""
    if container.duration and end is not None and stated_by in _STATE_DURATION:
        stated = container.duration / av.time_base
        held = end - (container.start_time or 0) / av.time_base
        if stated - held > max(_SHORTER[0], _SHORTER[1] * stated):
            found.append(f"it states {stated:.1f} s and holds {held:.1f} s")
    return found


def of_joined(begin: int | None) -> list[str]:
    """Returns what is to be said of a file in which another one begins, at a byte; None for none."""
    if begin is None:
        return []
    return [f"another file begins at its byte {begin:,}, which is not read: separate the two"]


def of_samples(file: str) -> list[str]:
    """Returns what is to be said of a WAV file with fewer samples than it states."""
    wav = wav_header.read(file)
    # Writers that cannot go back state all that fits, or nothing.
    if wav is None or wav.is_whole or wav.num_bytes in (None, 0) or wav.num_bytes >= _STREAMED:
        return []
    return [f"it states {wav.num_bytes:,} bytes of samples, and ends before that"]


def of_ends(pictures: Line | None, end: float | None, until: float | None) -> list[str]:
    """Returns what is to be said of a film whose sound outlasts its pictures.

    Args:
      pictures: Their packets, where they were read.
      end: Seconds at which they end.
      until: Seconds at which the sound does, if that is noticeably later.
    """
    several = pictures is None or pictures.kept.sum() > 1
    if several and end is not None and until is not None and until > end:
        return [f"its sound goes on for {until - end:.1f} s after its last picture, which is held"]
    return []


def of_reading(kind: str, errors: Sequence[str], moved: Sequence[Piece]) -> list[str]:
    """Returns what happened while a stream was decoded.

    Args:
      kind: 'video' or 'audio'.
      errors: Reasons of packets that were passed over.
      moved: Pieces whose times were damaged.
    """
    found = []
    if errors:
        found.append(f"{len(errors)} packets of its {kind} could not be decoded: {errors[0]}")
    if moved:
        found.append(f"the times of {len(moved)} {_NOUNS[kind]} are damaged")
    return found
