"""Reads the official annotations of the Kinetics data sets."""

from __future__ import annotations

import re

from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.public.annotations import malformed, seconds, table
from brave_tf.data.public.collection import Collection, Excerpt
from brave_tf.errors import ArgumentError

_SPLITS = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
}
_NAME = rf"(?:k(?:inetics)?[-_]?)?(?:\d+[-_])?({'|'.join(_SPLITS)})\.(?:csv|txt)"
# The mirror's better copies of videos whose archives were damaged.
_REPLACEMENTS = "replacement_for_corrupted_k400"


def read_clips(root: str, num_classes: int) -> list[ListedClip]:
    """Lists the clips that the annotation files below `root` name; videos may be missing.

    Args:
      root: The folder with the annotation files and the videos, see the README of the data set.
      num_classes: Of the data set; tells annotations of another Kinetics.

    Raises:
      UserError: There is no annotation file, or one cannot be understood.
    """
    source = (
        f"The annotations of Kinetics-{num_classes} (train.csv, val.csv or validate.csv, test.csv) are at "
        "https://github.com/cvdfoundation/kinetics-dataset; any of the three will do."
    )
    collection = Collection(root, source)
    files = {}
    for name, path in collection.annotations(_NAME).items():
        split = _SPLITS[re.fullmatch(_NAME, name)[1]]
        if split in files:
            raise ArgumentError(
                "input", root, f"{files[split]} and {path} both list the split {split}. Keep one."
            )
        files[split] = path
    if not files:
        raise collection.lacks("train.csv, val.csv, validate.csv or test.csv")
    rows = [row for split in files for row in _rows(files[split], split)]
    collection.expect((row.video, row.start, row.end) for row in rows)
    # The official lists repeat some rows.
    clips = list(dict.fromkeys(_clip(collection, row) for row in rows))
    labels = {label for clip in clips for label in clip.labels}
    if len(labels) > num_classes:
        raise ArgumentError(
            "input",
            root,
            f"the annotations name {len(labels)} classes, Kinetics-{num_classes} has "
            f"{num_classes}. {source}",
        )
    return clips


def _rows(path, split):
    for line, row in table(path, ("youtube_id", "time_start", "time_end")):
        video = row["youtube_id"]
        if not video:
            raise malformed(path, line, "column 'youtube_id' is empty")
        start, end = seconds(path, line, row["time_start"], row["time_end"])
        # The labels of test clips were once held back.
        yield Excerpt(split, video, start, end, tuple(filter(None, [row.get("label")])))


def _clip(collection, row):
    name = f"{row.split}/{row.video}_{round(row.start):06d}_{round(row.end):06d}.mp4"
    return collection.clip(row, name, folder=_REPLACEMENTS)
