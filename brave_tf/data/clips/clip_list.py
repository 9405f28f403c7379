"""The clips to prepare, from a folder of media files or a CSV."""

from __future__ import annotations

import csv
import dataclasses
import os
import re
from collections import defaultdict

from absl import logging

from brave_tf import modality_registry as modalities
from brave_tf.data.clips.clip import DEFAULT_SPLIT, ListedClip, make_clip, rank
from brave_tf.data.clips.clip_folder import read_folder
from brave_tf.data.clips.csv_columns import GROUP, check_columns, read_seconds
from brave_tf.data.clips.media_files import is_media
from brave_tf.data.clips.names import Disk, one_form
from brave_tf.errors import ArgumentError

# Splits begin the names of shards; the dash and digits of those must stay recognisable.
_SPLIT_NAME = re.compile(r"\w[\w.+-]*")


def read_clips(
    source: str,
    label_column: str = "label",
    split_column: str = "split",
    label_separator: str = "",
    group_column: str = GROUP,
) -> list[ListedClip]:
    """Lists the clips of `source`; files need not exist.

    Args:
      source: A folder, or a CSV whose header names a column `path` (relative to the CSV's folder, or
          absolute) and optionally a label, a split, a group, and `start` and `end` in seconds.
      label_column: Column of the CSV with the label.
      split_column: Column of the CSV with the split.
      label_separator: Character between several labels of a clip in the CSV; empty for one label each.
      group_column: Column of the CSV with the group, see `ListedClip`.

    A folder is searched for media files, see `media_files`, with all its sub-folders. The folder right below
    it names the class; when the folders there are named like splits, they are the splits and those below
    them the classes.

    Columns that a modality reads, see `Modality.columns`, are in the `cells` of the clips.

    Names are compared in one Unicode form, and the paths of a CSV may have Windows' separators. Columns
    that nobody reads are named in a warning.

    Raises:
      UserError: Nothing there, or a CSV that cannot be understood; the message names line and column.
    """
    if os.path.isdir(source):
        return _told_apart(source, read_folder(source))
    if not os.path.isfile(source) or is_media(source):
        raise ArgumentError(
            "input",
            source,
            "no such folder or CSV. Expected a folder of media files, or a CSV "
            "with a column 'path'.",
        )
    clips = _read_csv(source, label_column, split_column, label_separator, group_column)
    return _told_apart(os.path.dirname(source), clips)


def shuffled(clips: list[ListedClip], seed: int) -> list[ListedClip]:
    """Returns the clips in an order that depends on the seed and the clips, not on their order."""
    return sorted(clips, key=lambda clip: (rank(seed, clip.path, clip.start, clip.end), clip.path))


def _told_apart(root, clips):
    """Gives files whose paths differ in nothing but their Unicode form the paths that the disk has."""
    files = defaultdict(set)
    for clip in clips:
        files[clip.path].add(clip.file)
    return [
        dataclasses.replace(clip, path=_as_on_disk(root, clip))
        if len(files[clip.path]) > 1
        else clip
        for clip in clips
    ]


def _as_on_disk(root, clip):
    if os.path.isabs(clip.path):
        return clip.file
    return os.path.relpath(clip.file, root or os.curdir).replace(os.sep, "/")


def _read_csv(source, label_column, split_column, label_separator, group_column):
    try:
        with open(source, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True, skipinitialspace=True)
            rows.fieldnames = [name.strip() for name in rows.fieldnames or []]
            further = {column for each in modalities.registered() for column in each.columns}
            columns = (label_column, split_column, group_column)
            unread = check_columns(source, rows.fieldnames, *columns, further=further)
            reader = _Rows(source, *columns, label_separator, sorted(further))
            clips = [reader.clip(row, rows.line_num) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ArgumentError("input", source, f"not a readable CSV in UTF-8: {error}.") from error
    if not clips:
        raise ArgumentError("input", source, "holds a header but no clips.")
    if unread:
        logging.warning("%s: columns not read: %s", source, ", ".join(unread))
    return clips


class _Rows:
    """Reads the rows of a CSV; its errors name file, line and column."""

    def __init__(self, source, label_column, split_column, group_column, separator, further):
        self._source = source
        self._root = os.path.dirname(os.path.abspath(source))
        self._disk = Disk(self._root)
        self._label, self._split = label_column, split_column
        self._group = group_column if group_column not in (label_column, split_column) else None
        self._separator, self._further = separator, further

    def clip(self, row, line):
        if None in row:
            raise self._error(line, "more cells than the header: quote cells that hold a comma")
        cells = {name: (value or "").strip() for name, value in row.items()}
        if not cells["path"]:
            raise self._error(line, "column 'path' is empty")
        start = self._seconds(cells, "start", line)
        end = self._seconds(cells, "end", line)
        if end is not None and end <= (start or 0.0):
            raise self._error(line, f"column 'end' is {end:g}, not after the start")
        split = one_form(cells.get(self._split) or DEFAULT_SPLIT)
        if not _SPLIT_NAME.fullmatch(split):
            raise self._error(
                line,
                f"column {self._split!r} is {split!r}: it names shards, so use letters and digits",
            )
        path = self._disk.find(cells["path"])
        labels = self._labels(cells, line)
        return make_clip(
            self._root,
            path,
            labels=labels,
            split=split,
            start=start or 0.0,
            end=end,
            cells=[(name, cells[name]) for name in self._further if cells.get(name)],
            group=one_form(cells.get(self._group, "")),
        )

    def _seconds(self, cells, column, line):
        try:
            return read_seconds(cells.get(column, ""))
        except ValueError as error:
            raise self._error(line, f"column {column!r} is {error}") from error

    def _labels(self, cells, line):
        text = cells.get(self._label, "")
        # Labels are lines of a file; there are more breaks than those of files.
        if len(text.splitlines()) > 1:
            raise self._error(line, f"column {self._label!r} holds a line break")
        labels = text.split(self._separator) if self._separator else [text]
        return tuple(label.strip() for label in labels if label.strip())

    def _error(self, line, problem):
        return ArgumentError("input", self._source, f"line {line}: {problem}.")
