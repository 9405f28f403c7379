"""The clips to prepare, from a folder of media files or a CSV."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from brave_tf.errors import UserError, nearest

# fmt: off
VIDEO_EXTENSIONS = frozenset({
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".mxf", ".ogv", ".ts", ".webm", ".wmv",
})
AUDIO_EXTENSIONS = frozenset({
    ".aac", ".aif", ".aiff", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma",
})
SPLIT_FOLDERS = frozenset({
    "train", "training", "val", "valid", "validation", "dev", "test", "testing",
})
# fmt: on
DEFAULT_SPLIT = "train"
# Splits begin the names of shards; the dash and digits of those must stay recognisable.
_SPLIT_NAME = re.compile(r"\w[\w.+-]*")


@dataclasses.dataclass(frozen=True)
class Clip:
    """A window of a media file.

    Attributes:
      path: The file as records name it: relative to the input, with forward slashes, where possible.
      file: Where it is.
      start: Seconds in the file.
      end: Seconds in the file; None is its end.
      labels: Names of its classes; usually one, empty when unlabelled.
      split: Name of the split it belongs to.
      size: Bytes of the file; None when it is missing.
      may_be_cut: Whether the file may be the window itself, cut out of the media file that `start` and
        `end` count in; its duration tells.
    """

    path: str
    file: str
    start: float
    end: float | None
    labels: tuple[str, ...]
    split: str
    size: int | None
    may_be_cut: bool = False


def read_clips(
    source: str,
    label_column: str = "label",
    split_column: str = "split",
    label_separator: str = "",
) -> list[Clip]:
    """Lists the clips of `source`; files need not exist.

    Args:
      source: A folder, or a CSV whose header names a column `path` (relative to the CSV's folder, or
          absolute) and optionally a label, a split, and `start` and `end` in seconds.
      label_column: Column of the CSV with the label.
      split_column: Column of the CSV with the split.
      label_separator: Character between several labels of a clip in the CSV; empty for one label each.

    A folder is searched for media files with all its sub-folders. The folder right below it names the class;
    when the folders there are named like splits, they are the splits and those below them the classes.

    Raises:
      UserError: Nothing there, or a CSV that cannot be understood; the message names line and column.
    """
    if os.path.isdir(source):
        return _read_folder(source)
    if not os.path.isfile(source) or is_media(source):
        raise UserError(
            f"--input={source}: no such folder or CSV. Expected a folder of media files, or a CSV "
            "with a column 'path'."
        )
    return _read_csv(source, label_column, split_column, label_separator)


def make_clip(
    root: str,
    path: str,
    *,
    labels: Sequence[str] = (),
    split: str = DEFAULT_SPLIT,
    start: float = 0.0,
    end: float | None = None,
    may_be_cut: bool = False,
) -> Clip:
    """Returns the Clip of a file that may be missing.

    Args:
      root: The folder of the input.
      path: The file, relative to `root` with forward slashes, or absolute.
      labels: Names of its classes.
      split: Name of its split.
      start: Seconds in the file.
      end: Seconds in the file; None is its end.
      may_be_cut: Whether the file may be the window itself; needs an `end`.
    """
    file = os.path.join(root, path)
    size = os.path.getsize(file) if os.path.isfile(file) else None
    return Clip(path, os.path.abspath(file), start, end, tuple(labels), split, size, may_be_cut)


def move_to_test(clips: list[Clip], fraction: float, seed: int) -> list[Clip]:
    """Returns the clips with a share of the files of each class moved from the split train to test.

    All clips of a file move together. The choice depends on the names of the files and the seed alone.

    Args:
      clips: From `read_clips`.
      fraction: Share of the files of a class, at least one when the class has two; 0 moves nothing.
      seed: Another one chooses other files.

    Raises:
      UserError: Not a share, or there is a split test already.
    """
    if not 0 <= fraction < 1:
        raise UserError(f"--test_fraction={fraction}: expected a share in [0, 1).")
    if not fraction:
        return clips
    if any(clip.split == "test" for clip in clips):
        raise UserError(
            f"--test_fraction={fraction}: the input has a split 'test' already. Leave the flag out."
        )
    classes = defaultdict(dict)
    label_of = {}
    for clip in clips:
        if clip.split == DEFAULT_SPLIT:
            label = label_of.setdefault(clip.path, clip.labels[:1])
            classes[label][clip.path] = _rank(seed, clip.path)
    chosen = set()
    for files in classes.values():
        count = math.floor(fraction * len(files) + 0.5)
        count = min(max(count, 1), len(files) - 1)
        chosen.update(sorted(files, key=lambda path, ranks=files: (ranks[path], path))[:count])
    return [
        dataclasses.replace(clip, split="test")
        if clip.split == DEFAULT_SPLIT and clip.path in chosen
        else clip
        for clip in clips
    ]


def shuffled(clips: list[Clip], seed: int) -> list[Clip]:
    """Returns the clips in an order that depends on the seed and the clips, not on their order."""
    return sorted(clips, key=lambda clip: (_rank(seed, clip.path, clip.start, clip.end), clip.path))


def _rank(*what):
    return hashlib.sha256(repr(what).encode()).digest()


def _read_folder(root):
    files = sorted(path for path in files_below(root) if is_media(path))
    if not files:
        extensions = " ".join(sorted(VIDEO_EXTENSIONS | AUDIO_EXTENSIONS))
        raise UserError(f"--input={root}: holds no media files ({extensions}).")
    has_splits = _has_split_folders(root, {path.split("/")[0] for path in files if "/" in path})
    clips = []
    for path in files:
        *folders, _ = path.split("/")
        split = folders.pop(0).lower() if has_splits and folders else DEFAULT_SPLIT
        labels = [_label(root, folder) for folder in folders[:1]]
        clips.append(make_clip(root, path, labels=labels, split=split))
    return clips


def _label(root, folder):
    # Names of files may hold bytes that are no text.
    label = os.fsencode(folder).decode("utf-8", "backslashreplace")
    if _holds_line_break(label):
        raise UserError(
            f"--input={root}: the name of the folder {folder!r} holds a line break. Rename it."
        )
    return label


def _holds_line_break(text):
    # Labels are lines of a file; there are more breaks than those of files.
    return len(text.splitlines()) > 1


def files_below(root: str) -> Iterator[str]:
    """Yields all files of a folder and its sub-folders, relative to it, but those that are hidden."""
    visited = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        yield from (prefix + name for name in names if not name.startswith("."))


def is_media(path: str) -> bool:
    """Whether the extension of a file is one of those of video and sound."""
    return os.path.splitext(path)[1].lower() in VIDEO_EXTENSIONS | AUDIO_EXTENSIONS


def _has_split_folders(root, folders):
    splits = {name for name in folders if name.lower() in SPLIT_FOLDERS}
    others = sorted(folders - splits)
    # A single one beside other folders is a class: a train is also a vehicle.
    if len(splits) > 1 and others:
        raise UserError(
            f"--input={root}: the folders {', '.join(sorted(splits))} are named like splits, but "
            f"{others[0]!r} is not. Move the others elsewhere, or list the clips in a CSV."
        )
    return bool(splits) and not others


def _read_csv(source, label_column, split_column, label_separator):
    try:
        with open(source, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True, skipinitialspace=True)
            rows.fieldnames = [name.strip() for name in rows.fieldnames or []]
            columns = _Columns(source, rows.fieldnames, label_column, split_column, label_separator)
            clips = [columns.clip(row, rows.line_num) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--input={source}: not a readable CSV in UTF-8: {error}.") from error
    if not clips:
        raise UserError(f"--input={source}: holds a header but no clips.")
    return clips


class _Columns:
    """Reads the rows of a CSV; its errors name file, line and column."""

    def __init__(self, source, names, label_column, split_column, label_separator):
        self._source = source
        self._root = os.path.dirname(os.path.abspath(source))
        self._label, self._split = label_column, split_column
        self._separator = label_separator
        optional = {"label": label_column, "split": split_column}
        needed = ["path", *(name for usual, name in optional.items() if name != usual)]
        for name in needed:
            if name not in names:
                found = ", ".join(names) or "nothing"
                hint = nearest(name, names)
                raise UserError(f"--input={source}: no column {name!r} in line 1: {found}.{hint}")
        repeated = [name for name in names if name and names.count(name) > 1]
        if repeated:
            raise UserError(f"--input={source}: two columns {repeated[0]!r} in line 1.")

    def clip(self, row, line):
        if None in row:
            raise self._error(line, "more cells than the header: quote cells that hold a comma")
        cells = {name: (value or "").strip() for name, value in row.items()}
        path = cells["path"]
        if not path:
            raise self._error(line, "column 'path' is empty")
        start = self._seconds(cells, "start", line)
        end = self._seconds(cells, "end", line)
        if end is not None and end <= (start or 0.0):
            raise self._error(line, f"column 'end' is {end:g}, not after the start")
        split = cells.get(self._split) or DEFAULT_SPLIT
        if not _SPLIT_NAME.fullmatch(split):
            raise self._error(
                line,
                f"column {self._split!r} is {split!r}: it names shards, so use letters and digits",
            )
        labels = self._labels(cells, line)
        return make_clip(self._root, path, labels=labels, split=split, start=start or 0.0, end=end)

    def _seconds(self, cells, column, line):
        text = cells.get(column, "")
        if not text:
            return None
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            raise self._error(line, f"column {column!r} is {text!r}, expected seconds such as 12.5")
        return seconds

    def _labels(self, cells, line):
        text = cells.get(self._label, "")
        if _holds_line_break(text):
            raise self._error(line, f"column {self._label!r} holds a line break")
        labels = text.split(self._separator) if self._separator else [text]
        return tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))

    def _error(self, line, problem):
        return UserError(f"--input={self._source}: line {line}: {problem}.")
