"""Single pieces whose time is damaged, told by those that follow and put where they belong."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator

from brave_tf.data.media.decoding import Piece

# Seconds by which a time may be off before the pieces that follow are asked.
_SUSPICIOUS = 1.0
_ASKED = 8


def in_order(pieces: Iterable[Piece], moved: list[Piece]) -> Iterator[Piece]:
    """Yields the pieces; one that most of those that follow contradict gets the time at which it is due.

    A jump that the following pieces share is a pause, and stays as it is. Up to 8 pieces are held while a
    jump is looked into.

    Args:
      pieces: Pictures or sounds of one stream.
      moved: Receives the pieces whose time was changed, and pictures that come too late to be shown.
    """
    pieces = iter(pieces)
    ahead = collections.deque()
    last = None
    while (piece := ahead.popleft() if ahead else next(pieces, None)) is not None:
        if last is not None and _is_suspicious(piece, last):
            while len(ahead) < _ASKED and (following := next(pieces, None)) is not None:
                ahead.append(following)
            time = _due(piece, last, [following.time for following in ahead])
            if time != piece.time or time <= last.time and not _is_sound(piece):
                moved.append(piece)
                piece = piece._replace(time=time)
        yield piece
        last = piece


def _is_suspicious(piece, last):
    if _is_sound(piece):
        return abs(piece.time - last.time - last.duration) > _SUSPICIOUS
    return not 0 < piece.time - last.time <= _SUSPICIOUS


def _is_sound(piece):
    return hasattr(piece.frame, "samples")


def _due(piece, last, following):
    """Returns the time of a piece, or when it is due if most of those that follow contradict it."""
    due = last.time + last.duration
    later = [time for time in following if time > last.time]
    contradict = sum(piece.time <= last.time or time < piece.time for time in later)
    if 2 * contradict <= len(following):
        return piece.time
    return due if due < min(later) else (last.time + min(later)) / 2
