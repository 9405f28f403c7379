"""Which streams of a media file are its pictures and its sound."""

from __future__ import annotations

from collections.abc import Mapping

import av
from av.stream import Disposition

# Pictures of these kinds stand for a film, they are none.
_NOT_A_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
# Sound of these kinds accompanies the film's own.
_BESIDE_THE_FILM = (
    Disposition.comment
    | Disposition.descriptions
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.karaoke
    | Disposition.clean_effects
    | Disposition.dependent
    | Disposition.non_diegetic
)
# A stream with a smaller share of the pictures of another one is a preview of it.
_FILM_SHARE = 0.5


def choose_pictures(
    container: av.container.InputContainer, counts: Mapping[int, int]
) -> av.video.stream.VideoStream | None:
    """Returns the stream of pictures that is the film; None if there is none.

    Covers and thumbnails are no film. Of several streams, previews with fewer pictures are left out, then
    the largest pictures count, then the file's default, then the order.

    Args:
      container: An open file.
      counts: Index of a stream -> how many packets it holds, where that is known. Without any, it is none.
    """
    streams = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None
        and not stream.disposition & _NOT_A_FILM
        and counts.get(stream.index, 1)
    ]
    most = max((_count(stream, counts) for stream in streams), default=0)
    films = [stream for stream in streams if _count(stream, counts) >= _FILM_SHARE * most]
    return max(films, key=_size_and_default, default=None)


def choose_sound(
    container: av.container.InputContainer,
    pictures: av.video.stream.VideoStream | None,
    counts: Mapping[int, int],
) -> av.audio.stream.AudioStream | None:
    """Returns the stream of sound that belongs to the pictures; None if there is none.

    That is one of the program of the pictures (MPEG-TS holds several), no commentary or description if there
    is another, then the file's default, then the first.

    Args:
      container: An open file.
      pictures: Its stream of pictures.
      counts: As in `choose_pictures`.
    """
    streams = [
        stream
        for stream in container.streams.audio
        if stream.codec_context is not None and counts.get(stream.index, 1)
    ]
    if pictures is not None:
        # FFmpeg tells the best sound of a program only: streams with the same best one share a program.
        best = container.streams.best
        own = best("audio", related=pictures)
        streams = [stream for stream in streams if best("audio", related=stream) == own] or streams
    streams = [s for s in streams if not s.disposition & _BESIDE_THE_FILM] or streams
    default = [stream for stream in streams if stream.disposition & Disposition.default]
    return next(iter(default or streams), None)


def _count(stream, counts):
    return counts.get(stream.index, stream.frames)


def _size_and_default(stream):
    return stream.width * stream.height, bool(stream.disposition & Disposition.default)
