"""The files of a public data set below one folder: annotations and media, found by name wherever they lie."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from brave_tf.data.clips.clip import ListedClip, make_clip
from brave_tf.data.clips.media_files import (
    VIDEO_EXTENSIONS,
    extension,
    files_below,
    media_below,
)
from brave_tf.data.clips.names import one_form
from brave_tf.data.public import excerpt_names
from brave_tf.errors import ArgumentError, UserError

_ANNOTATION_EXTENSIONS = (".csv", ".json", ".txt")


class Excerpt(NamedTuple):
    """A window of a YouTube video, as an official list names it; seconds."""

    split: str
    video: str
    start: float
    end: float
    labels: tuple[str, ...]


class Collection:
    """The annotation files and media files of a data set.

    Copies of a data set lay out their folders in many ways, transcode the media and lack some of them. So
    media are found by their name without folder and extension.

    Args:
      root: The folder; links to folders are followed.
      source: A sentence that says where the official files come from; ends the messages of errors.

    Raises:
      UserError: There is no such folder.
    """

    def __init__(self, root: str, source: str):
        if not os.path.isdir(root):
            raise ArgumentError("input", root, f"no such folder. {source}")
        self.root = root
        self._source = source
        self._annotations = defaultdict(list)
        for path in files_below(root):
            if extension(path) in _ANNOTATION_EXTENSIONS:
                self._annotations[os.path.basename(path)].append(path)
        # Names without one extension, without two, and so on: the more is left of a name, the better.
        self._media = defaultdict(list)
        for path in media_below(root):
            for rank, stem in enumerate(excerpt_names.stems(os.path.basename(path))):
                self._media[one_form(stem)].append((rank, path))
        self._windows = defaultdict(set)

    def annotations(self, pattern: str) -> dict[str, str]:
        """Returns the annotation files whose whole name matches a regular expression.

        Returns:
          Name of each file -> the file, sorted.

        Raises:
          UserError: Two of them have one name.
        """
        found = {}
        for name in sorted(self._annotations):
            if re.fullmatch(pattern, name):
                path, *others = sorted(self._annotations[name])
                if others:
                    raise ArgumentError(
                        "input",
                        self.root,
                        f"holds two files {name}: {path} and {others[0]}. Keep one of them there.",
                    )
                found[name] = os.path.join(self.root, path)
        return found

    def annotation(self, name: str) -> str:
        """Returns the annotation file called `name`.

        Raises:
          UserError: There is none, or there are two.
        """
        found = self.annotations(re.escape(name))
        if not found:
            raise self.lacks(name)
        return found[name]

    def lacks(self, names: str) -> UserError:
        """Returns the error for annotation files that are not there."""
        return ArgumentError(
            "input", self.root, f"found no {names} there or in its sub-folders. {self._source}"
        )

    def find(self, stem: str, folder: str = "", any_case: bool = False) -> str | None:
        """Returns the media file called `stem`, whatever its extension and folder; None if there is none.

        Of several, one that lies in a folder called `folder` comes first, then videos, then the first name.

        Args:
          stem: Name of the file without its extension.
          folder: Name of a folder that it is expected in.
          any_case: Small and capital letters are the same.
        """
        found = self._media.get(one_form(stem))
        if any_case and not found:
            found = self._media_in_any_case.get(one_form(stem).casefold())
        return _best([(0, (rank,), path) for rank, path in found or ()], folder)

    def expect(self, windows: Iterable[tuple[str, float, float]]) -> None:
        """Notes the windows of the lists: id, start and end in seconds.

        `find_excerpt` then takes no file for one of them whose name may as well be that of another.
        """
        for video, start, end in windows:
            self._windows[video].add((start, end))

    def find_excerpt(
        self, video: str, start: float, end: float, folder: str = ""
    ) -> tuple[str | None, bool]:
        """Returns the file of a window of a YouTube video, and whether that is in its name.

        The names are those of `excerpt_names`: with start and end, or the start, in seconds or milliseconds;
        or without, which may be the whole video or the window.

        Args:
          video: Its id.
          start: Seconds.
          end: Seconds.
          folder: Name of a folder that is preferred, see `find`.

        Raises:
          UserError: The best file may as well be another of the windows that are expected.
        """
        found = self._media_of_videos.get(video, ())
        cut = []
        for rank, reading, path in found:
            fit = excerpt_names.fit(reading.times, start, end)
            if fit is not None and fit <= self._fit_of_others(reading, (start, end)):
                cut.append((fit, (2 - len(reading.times), rank, reading.form), path))
        if cut:
            path = _best(cut, folder)
            self._refuse_another(path, video, (start, end))
            return path, True
        whole = [
            (0, (rank, reading.form), path) for rank, reading, path in found if not reading.times
        ]
        return _best(whole, folder), False

    def clip(self, excerpt: Excerpt, otherwise: str, folder: str = "") -> ListedClip:
        """Returns the clip of an excerpt, whose file may be missing.

        A file that is named after the video alone may be the excerpt, cut out, unless the lists have another
        one of the video.

        Args:
          excerpt: As listed; all of the lists are expected, see `expect`.
          otherwise: What a missing file would be called.
          folder: Name of a folder that is preferred, see `find`.

        Raises:
          UserError: See `find_excerpt`.
        """
        split, video, start, end, labels = excerpt
        file, is_cut = self.find_excerpt(video, start, end, folder)
        may_be_cut = len(self._windows[video]) <= 1
        window = {} if is_cut else {"start": start, "end": end, "may_be_cut": may_be_cut}
        return make_clip(self.root, file or otherwise, labels=labels, split=split, **window)

    def _others(self, video, window):
        return sorted(self._windows[video] - {window})

    def _fit_of_others(self, reading, window):
        """Returns how well a name fits the best of the other windows; inf when it fits none."""
        fits = [excerpt_names.fit(reading.times, *o) for o in self._others(reading.video, window)]
        return min((fit for fit in fits if fit is not None), default=math.inf)

    def _refuse_another(self, path, video, window):
        """Makes sure that the name of a file does not fit another window as well as this one."""
        readings = [r for _, r, each in self._media_of_videos[video] if each == path]
        for reading, other in itertools.product(readings, self._others(video, window)):
            fit = excerpt_names.fit(reading.times, *window)
            if fit is not None and fit == excerpt_names.fit(reading.times, *other):
                raise ArgumentError(
                    "input",
                    self.root,
                    f"{path} may be the window of {video} from {window[0]:g} to "
                    f"{window[1]:g} s, or that from {other[0]:g} to {other[1]:g} s. Put start and end in its "
                    f"name, as in {video}_{window[0]:.3f}_{window[1]:.3f}, or move it away.",
                )

    @cached_property
    def _media_in_any_case(self):
        media = defaultdict(list)
        for stem, entries in self._media.items():
            media[stem.casefold()] += entries
        return media

    @cached_property
    def _media_of_videos(self):
        """What may be a video's id -> rank, reading of the name, and the file."""
        media = defaultdict(list)
        for stem, entries in self._media.items():
            for reading in excerpt_names.readings(stem):
                media[reading.video] += [(rank, reading, path) for rank, path in entries]
        return media


def _best(entries, folder):
    """Returns the path of the best of (fit, ranks, path): between these two, the folder counts."""

    def order(entry):
        fit, ranks, path = entry
        elsewhere = folder.casefold() not in map(str.casefold, path.split("/")[:-1])
        return fit, elsewhere, ranks, extension(path) not in VIDEO_EXTENSIONS, path

    return min(entries, key=order, default=(0, (), None))[2]
