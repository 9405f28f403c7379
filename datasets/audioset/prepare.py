"""AudioSet: videos or sound and official annotations -> clip records with several labels each.

The splits are balanced_train, unbalanced_train and eval.

python datasets/audioset/prepare.py --input=media/audioset --output=data/audioset
"""

from __future__ import annotations

import collections
import json

from brave_tf.cli import prepare
from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.public.annotations import malformed, rows, seconds, table
from brave_tf.data.public.collection import Collection, Excerpt
from brave_tf.errors import UserError

SOURCE = (
    "balanced_train_segments.csv, unbalanced_train_segments.csv and eval_segments.csv (any of them), and "
    "class_labels_indices.csv, are at https://research.google.com/audioset/download.html; ontology.json, "
    "which will do for the latter, is at https://github.com/audioset/ontology."
)
SPLITS = ("balanced_train", "unbalanced_train", "eval")


def read_clips(root: str) -> list[ListedClip]:
    """Lists the segments of AudioSet; media may be missing.

    Raises:
      UserError: An annotation file is missing or cannot be understood.
    """
    collection = Collection(root, SOURCE)
    files = collection.annotations(rf"({'|'.join(SPLITS)})_segments\.csv")
    if not files:
        raise collection.lacks("balanced_train_segments.csv or the like")
    names = label_names(collection)
    segments = [segment for name in files for segment in _segments(files[name], names)]
    collection.expect((each.video, each.start, each.end) for each in segments)
    return [_clip(collection, segment) for segment in segments]


def label_names(collection: Collection) -> dict[str, str]:
    """Returns label id -> display name, from class_labels_indices.csv or, without it, ontology.json.

    Should two ids share a name, the ids are added.

    Raises:
      UserError: Neither is there, or it cannot be understood.
    """
    files = collection.annotations(r"class_labels_indices\.csv|ontology\.json")
    if not files:
        raise collection.lacks("class_labels_indices.csv, and no ontology.json,")
    path = next(iter(files.values()))
    if path.endswith(".csv"):
        names = {row["mid"]: row["display_name"] for _, row in table(path, ("mid", "display_name"))}
    else:
        names = _ontology(path)
    uses = collections.Counter(names.values())
    return {key: name if uses[name] == 1 else f"{name} ({key})" for key, name in names.items()}


def _ontology(path):
    try:
        with open(path, encoding="utf-8") as file:
            return {entry["id"]: entry["name"] for entry in json.load(file)}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: expected a list of objects with id and name: {error!r}."
        ) from error


def _segments(path, names):
    split = path.rpartition("_segments")[0].rpartition("/")[2]
    for line, cells in rows(path):
        if len(cells) != 4 or not cells[0]:
            raise malformed(path, line, 'expected: YTID, start, end, "label id,label id"')
        ids = [label.strip() for label in cells[3].split(",")]
        start, end = seconds(path, line, cells[1], cells[2])
        unknown = [label for label in ids if label not in names]
        if unknown:
            raise malformed(path, line, f"the label id {unknown[0]!r} has no name")
        yield Excerpt(split, cells[0], start, end, tuple(names[label] for label in ids))


def _clip(collection, segment):
    name = f"{segment.split}_segments/{segment.video}_{round(segment.start)}.mp4"
    return collection.clip(segment, name)


if __name__ == "__main__":
    prepare.console_main(read_clips, __doc__)
