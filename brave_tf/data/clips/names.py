"""Names of files and classes: one form to compare them in, and the files on the disk that they mean."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Iterable


def one_form(text: str) -> str:
    """Returns text in Unicode's composed form (NFC); some systems store an accent as a letter of its own."""
    return unicodedata.normalize("NFC", text)


def tidy(root: str, path: str) -> str:
    """Returns a path below `root` without `.`, `//` and `..`, where that leads to the same file.

    A folder before `..` may be a link, and then the way back leads elsewhere.
    """
    short = posixpath.normpath(path)
    if ".." in path.split("/") and short != path:
        here, there = os.path.join(root, path), os.path.join(root, short)
        if os.path.exists(here) and not (os.path.exists(there) and os.path.samefile(here, there)):
            return path
    return short


class Disk:
    """Finds the files that a list means, though it spells their names in another way than the disk does.

    Folders are listed once, so an instance is for one reading of a list.

    Args:
      root: The folder that paths are relative to.
    """

    def __init__(self, root: str):
        self._root = root
        self._listings = {}

    def find(self, path: str) -> str:
        r"""Returns the path as the disk spells it; with forward slashes where there is no such file.

        A file of just this name comes first, for on POSIX a backslash may be part of one; then one with
        forward slashes in place of backslashes, then one in another Unicode form.

        Args:
          path: Relative to the root, or absolute.
        """
        slashed = path.replace("\\", "/")
        spellings = dict.fromkeys((path, slashed))
        for spelling in spellings:
            if os.path.lexists(os.path.join(self._root, spelling)):
                return spelling
        for spelling in spellings:
            found = self._in_any_form(spelling)
            if found is not None:
                return found
        return slashed

    def _in_any_form(self, path):
        found = "/" if path.startswith("/") else ""
        for part in filter(None, path.split("/")):
            name = part
            if not os.path.lexists(os.path.join(self._root, found, part)):
                name = self._names(os.path.join(self._root, found)).get(one_form(part))
            if name is None:
                return None
            found = posixpath.join(found, name)
        return found

    def _names(self, folder):
        """Returns the names in a folder by their one form."""
        if folder not in self._listings:
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                names = []
            self._listings[folder] = {one_form(name): name for name in names}
        return self._listings[folder]


def look_alikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Returns the groups of names that differ in nothing but capitals, spaces, hyphens and underscores."""
    groups = defaultdict(list)
    for name in sorted(set(names)):
        plain = unicodedata.normalize("NFKC", name).casefold()
        groups[" ".join(plain.replace("_", " ").replace("-", " ").split())].append(name)
    return [tuple(group) for key, group in groups.items() if key and len(group) > 1]
