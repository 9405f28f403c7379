"""The files of a public data set below one folder: annotations and media, found by name wherever they lie."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from functools import cached_property

from brave_tf.data.preparation.clip_list import VIDEO_EXTENSIONS, files_below, is_media
from brave_tf.errors import UserError

_ANNOTATION_EXTENSIONS = (".csv", ".json", ".txt")
_NUMBER = re.compile(r"\d+(\.\d+)?")


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
            raise UserError(f"--input={root}: no such folder. {source}")
        self.root = root
        self._source = source
        self._annotations = defaultdict(list)
        self._media = defaultdict(list)
        for path in files_below(root):
            stem, extension = os.path.splitext(os.path.basename(path))
            if is_media(path):
                self._media[_key(stem)].append(path)
            elif extension.lower() in _ANNOTATION_EXTENSIONS:
                self._annotations[stem + extension].append(path)

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
                    raise UserError(
                        f"--input={self.root}: holds two files {name}: {path} and {others[0]}. "
                        "Keep one of them there."
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
        return UserError(
            f"--input={self.root}: found no {names} there or in its sub-folders. {self._source}"
        )

    def find(self, stem: str, folder: str = "", any_case: bool = False) -> str | None:
        """Returns the media file called `stem`, whatever its extension and folder; None if there is none.

        Of several, one that lies in a folder called `folder` comes first, then videos, then the first name.

        Args:
          stem: Name of the file without its extension.
          folder: Name of a folder that it is expected in.
          any_case: Small and capital letters are the same.
        """
        found = self._media.get(_key(stem))
        if any_case and not found:
            found = self._media_in_any_case.get(_key(stem).casefold())
        return _best(found or (), folder)

    def find_excerpt(
        self, video: str, start: float, end: float, folder: str = ""
    ) -> tuple[str | None, bool]:
        """Returns the file of a window of a YouTube video, and whether that is in its name.

        Such files are called <video>_<start>_<end> or <video>_<start>, in seconds or milliseconds, or
        <video> alone, which may be the whole video or the window. A Y may precede the id.

        Args:
          video: Its id.
          start: Seconds.
          end: Seconds.
          folder: Name of a folder that is preferred, see `find`.
        """
        window = {(start,), (start, end), (1000 * start,), (1000 * start, 1000 * end)}
        found = [
            (times, path)
            for name in (video, f"Y{video}")
            for times, path in self._media_of_videos.get(name, ())
        ]
        cut = _best([path for times, path in found if times in window], folder)
        return cut or _best([path for times, path in found if not times], folder), cut is not None

    @cached_property
    def _media_in_any_case(self):
        media = defaultdict(list)
        for key, paths in self._media.items():
            media[key.casefold()] += paths
        return media

    @cached_property
    def _media_of_videos(self):
        """What may be a video's id -> the numbers that follow it, and the file."""
        media = defaultdict(list)
        for stem, paths in self._media.items():
            video, times = stem, ()
            media[video] += [(times, path) for path in paths]
            for _ in ("end", "start"):
                video, _, number = video.rpartition("_")
                if not video or not _NUMBER.fullmatch(number):
                    break
                times = (float(number), *times)
                media[video] += [(times, path) for path in paths]
        return media


def _key(stem):
    # Some file systems store accents as letters of their own.
    return unicodedata.normalize("NFC", stem)


def _best(paths, folder):
    def rank(path):
        *folders, name = path.split("/")
        elsewhere = folder.casefold() not in map(str.casefold, folders)
        is_video = os.path.splitext(name)[1].lower() in VIDEO_EXTENSIONS
        return elsewhere, not is_video, path

    return min(paths, key=rank, default=None)
