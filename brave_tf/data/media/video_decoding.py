"""Pictures at a fixed rate and size from the time-stamped pictures of a video."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import av
import cv2
import numpy as np

from brave_tf.data.media.decoding import MediaError, Piece

# Seconds for which one picture may be shown: more is damage, or would fill disks with one picture.
MAX_HOLD = 3600.0
# Seconds that the last picture of a file which does not tell its end may be shown.
MAX_LAST = 10.0
# Pixels that a JPEG may be long.
MAX_SIDE = 65500


def pick(
    pieces: Iterable[Piece],
    begin: float,
    length: float | None,
    fps: float,
    tick: float,
    end: float | None,
) -> Iterator[av.VideoFrame]:
    """Yields the picture shown at `begin`, `begin` + 1/fps, ...: the last one whose time has come.

    Before the first picture, the first is shown; after `end`, nothing.

    Args:
      pieces: Pictures with their times in seconds; those that run backwards are dropped.
      begin: Seconds on the clock of the pieces.
      length: Seconds; None is up to `end`.
      fps: Pictures per second of the result.
      tick: Seconds; the resolution of the clock, up to which times count as equal.
      end: Seconds on the clock of the pieces up to which the last one is shown; None leaves it to that.

    Raises:
      MediaError: One picture would be shown for more than MAX_HOLD.
    """
    count = math.inf if length is None else math.ceil(length * fps - 1e-3)
    late = slack(tick)
    index = 0
    held = None
    for piece in pieces:
        if held is not None:
            if piece.time <= held.time:
                continue
            shown = range(index, min(count, _first_at(piece.time - late, begin, fps)))
            yield from _hold(held, shown, begin, fps)
            index = max(index, shown.stop)
        if index >= count:
            return
        held = piece
    if held is not None:
        last = held.time + min(held.duration, MAX_LAST) if end is None else end
        shown = range(index, min(count, _first_at(max(last, held.time) - late, begin, fps)))
        yield from _hold(held, shown, begin, fps)


def _first_at(time, begin, fps):
    """Returns the number of the first moment that is not before a time."""
    number = max(0, math.floor((time - begin) * fps))
    while begin + number / fps < time:
        number += 1
    return number


def _hold(piece, shown, begin, fps):
    if len(shown) > MAX_HOLD * fps:
        at = begin + shown.start / fps
        raise MediaError(
            "decode",
            f"one picture is shown for {len(shown) / fps:.0f} s, from {at:.1f} s of its clock on: more than "
            f"{MAX_HOLD:.0f} s are taken for damage. List windows before and after in a CSV",
        )
    for _ in shown:
        yield piece.frame


def slack(tick: float) -> float:
    """Returns the seconds up to which times on a clock with this tick, in seconds, count as equal."""
    return min(tick, 1e-3) + 1e-6


def convert(frames: Iterable[av.VideoFrame], min_side: int | None) -> Iterator[np.ndarray]:
    """Yields the frames as upright (H, W, 3) uint8 BGR whose short side is `min_side`; None keeps their size.

    All get the size of the first. A frame that comes twice in a row gives the very same array twice.
    Stored pixels count as square, as in the field's tools.
    """
    reformatter = av.video.reformatter.VideoReformatter()
    size = previous = image = matrix = None
    for frame in frames:
        if frame is not previous:
            size = size or resized(frame.width, frame.height, min_side)
            # Asking every frame would cost a conversion each; the angle of its matrix costs nothing.
            if previous is None or frame.rotation != previous.rotation:
                # What a picture says holds for those that say nothing.
                found = display_matrix(frame)
                matrix = matrix if found is None else found
            image = _upright(resize(_bgr(frame, reformatter), size), matrix)
            previous = frame
        yield image


def display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    """Returns how a picture is turned and mirrored (ISO 14496-12, 6.2.2), (9,) int32; None: not at all."""
    # PyAV ties a frame whose side data is asked for into a reference cycle, and a frame that waits for
    # Python's collector holds megabytes of its decoder. A small copy has the same side data.
    small = av.video.reformatter.VideoReformatter().reformat(frame, 16, 16, "gray")
    matrix = small.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
    return None if matrix is None else np.frombuffer(bytes(matrix), np.int32)


def resized(width: int, height: int, min_side: int | None) -> tuple[int, int]:
    """Returns (width, height) with the short side `min_side` and the long side even; None changes nothing.

    Raises:
      ValueError: The long side would be more than JPEG takes, as happens with damaged headers.
    """
    if min_side is None:
        return width, height
    long_side = 2 * round(max(width, height) * min_side / min(width, height) / 2)
    long_side = max(long_side, min_side)
    if long_side > MAX_SIDE:
        raise ValueError(f"pictures of {width} x {height} pixels would be {long_side} pixels long")
    return (long_side, min_side) if width > height else (min_side, long_side)


def _bgr(frame, reformatter):
    # A range that differs from the source's makes PyAV apply the frame's own colour matrix and range.
    full = av.video.reformatter.ColorRange.JPEG
    limited = av.video.reformatter.ColorRange.MPEG
    is_full = frame.color_range == full or frame.format.name.startswith("yuvj")
    converted = reformatter.reformat(
        frame,
        format="bgr24",
        src_color_range=full if is_full else limited,
        dst_color_range=limited if is_full else full,
    )
    return converted.to_ndarray()


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns an (H, W, 3) uint8 image in another size, (width, height)."""
    width, height = size
    if image.shape[:2] == (height, width):
        return image
    shrinking = image.shape[0] >= height
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)


def _upright(image, matrix):
    """Turns and mirrors as a display matrix says, in quarter turns."""
    if matrix is None:
        return image
    # A stored point (x, y) is shown at (a x + c y, b x + d y).
    a, b, _, c, d = matrix[:5].astype(float)
    if abs(b) + abs(c) > abs(a) + abs(d):
        image = image.transpose(1, 0, 2)
        mirrored, upside_down = c < 0, b < 0
    else:
        mirrored, upside_down = a < 0, d < 0
    image = image[:, ::-1] if mirrored else image
    image = image[::-1] if upside_down else image
    return np.ascontiguousarray(image)
