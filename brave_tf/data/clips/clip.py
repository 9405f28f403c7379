"""A window of a media file, as it is listed before anything of the file is read."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence

from brave_tf.data.clips.names import one_form, tidy

DEFAULT_SPLIT = "train"


@dataclasses.dataclass(frozen=True)
class ListedClip:
    """A window of a media file.

    Attributes:
      path: The file as records name it: relative to the input, with forward slashes, where possible; in
        Unicode's composed form.
      file: Where it is, as the disk spells it.
      start: Seconds in the file.
      end: Seconds in the file; None is its end.
      labels: Names of its classes in Unicode's composed form; usually one, empty when unlabelled.
      split: Name of the split it belongs to.
      size: Bytes of the file; None when it is missing.
      may_be_cut: Whether the file may be the window itself, cut out of the media file that `start` and
        `end` count in; its duration tells.
      cells: Column and text of what else a CSV says that a modality reads; without empty ones.
      group: What it has in common with other clips, such as the person who is seen: those of one group are
        not divided between training and test. Empty for none; no part of the record.
    """

    path: str
    file: str
    start: float
    end: float | None
    labels: tuple[str, ...]
    split: str
    size: int | None
    may_be_cut: bool = False
    cells: tuple[tuple[str, str], ...] = ()
    group: str = ""


def make_clip(
    root: str,
    path: str,
    *,
    labels: Sequence[str] = (),
    split: str = DEFAULT_SPLIT,
    start: float = 0.0,
    end: float | None = None,
    may_be_cut: bool = False,
    cells: Sequence[tuple[str, str]] = (),
    group: str = "",
) -> ListedClip:
    """Returns the ListedClip of a file that may be missing.

    Args:
      root: The folder of the input.
      path: The file as the disk spells it, relative to `root` with forward slashes, or absolute.
      labels: Names of its classes.
      split: Name of its split.
      start: Seconds in the file.
      end: Seconds in the file; None is its end.
      may_be_cut: Whether the file may be the window itself; needs an `end`.
      cells: See `ListedClip`.
      group: See `ListedClip`.
    """
    path = tidy(root, path)
    file = os.path.join(root, path)
    size = os.path.getsize(file) if os.path.isfile(file) else None
    # Where `..` follows a link, an absolute path without it would be that of another file.
    file = os.path.realpath(file) if ".." in path.split("/") else os.path.abspath(file)
    labels = tuple(dict.fromkeys(map(one_form, labels)))
    split = one_form(split)
    return ListedClip(
        one_form(path), file, start, end, labels, split, size, may_be_cut, tuple(cells), group
    )


def rank(*what: object) -> bytes:
    """Returns a sort key that mixes things: it depends on them alone, and looks random."""
    return hashlib.sha256(repr(what).encode()).digest()
