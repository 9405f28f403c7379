"""The sets of real clips that benchmarks learn from: where they are, their classes, how they are divided."""

from __future__ import annotations

import collections
import csv
import dataclasses
import pathlib
import random
import re
from collections.abc import Mapping
from typing import Callable

from brave_tf.data.public.official_splits import fold_name
from brave_tf.errors import UserError
from brave_tf.storage import files

FOLDS = 5
# A word lasts about a quarter of a second. All get a clip of this length about their middle, which real
# frames fill: cut to its own length a word would be looped to fill a window, which tells how long it is.
WORD_SECONDS = 0.4
Row = dict[str, str]


@dataclasses.dataclass(frozen=True)
class ClipSet:
    """Clips that have labels.

    Attributes:
      folder: of the set.
      rows: the lines of its list -> its clips: `path`, `label`, `split`, and `start` and `end` where a clip
        is a part of its file.
      file: the list, from `folder`.
      media: the folder that paths of the list begin at, from `folder`.
    """

    folder: str
    rows: Callable[[list[Row]], list[Row]]
    file: str = "clips.csv"
    media: str = "."


def read(data: pathlib.Path, clip_set: ClipSet) -> list[Row]:
    """Lists the clips of a set, with absolute paths.

    Raises:
      UserError: its list is not there.
    """
    path = data / clip_set.folder / clip_set.file
    if not path.is_file():
        raise UserError(
            f"{path} was not found: --data names the folder of the sets, each with a list of its clips."
        )
    with open(path, newline="", encoding="utf-8") as file:
        rows = clip_set.rows(list(csv.DictReader(file)))
    media = path.parent / clip_set.media
    return [{**row, "path": str((media / row["path"]).resolve())} for row in rows]


def write(path: pathlib.Path, rows: list[Row]) -> pathlib.Path:
    """Writes a list of clips for `brave_tf_prepare --input`; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with files.replacing(path) as aside, open(aside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def _in_blocks(rows: list[Row]) -> list[Row]:
    """Divides each class into folds of consecutive numbers: what was recorded together is tested together."""
    classes = collections.defaultdict(list)
    for row in sorted(rows, key=lambda row: (_number(row["path"]), row["path"])):
        classes[row["label"]].append(row["path"])
    fold = {
        path: fold_name(1 + place * FOLDS // len(paths))
        for paths in classes.values()
        for place, path in enumerate(paths)
    }
    return [
        {"path": row["path"], "label": row["label"], "split": fold[row["path"]]} for row in rows
    ]


def _number(path: str) -> int:
    return int((re.findall(r"\d+", pathlib.PurePath(path).stem) or ["0"])[-1])


def _by_subject(rows: list[Row]) -> list[Row]:
    """Divides the subjects into folds: nobody who is tested is in what is learned from."""
    subjects = sorted({row["subject"] for row in rows}, key=int)
    fold = {
        subject: fold_name(1 + place * FOLDS // len(subjects))
        for place, subject in enumerate(subjects)
    }
    return [
        {"path": row["path"], "label": row["label"], "split": fold[row["subject"]]} for row in rows
    ]


def _official_folds(rows: list[Row]) -> list[Row]:
    return [
        {"path": row["path"], "label": row["label"], "split": fold_name(int(row["fold"]))}
        for row in rows
    ]


def _words(slot: str) -> Callable[[list[Row]], list[Row]]:
    """Makes a clip of `WORD_SECONDS` about each word that stands in a slot of the sentence."""

    def rows(words: list[Row]) -> list[Row]:
        fold = _folds_of_files(words)
        return [
            {
                "path": word["path"],
                "label": word["word"],
                "split": fold[word["path"]],
                **_about((float(word["start_s"]) + float(word["end_s"])) / 2),
            }
            for word in words
            if word["slot"] == slot
        ]

    return rows


def _about(middle: float) -> Row:
    start = max(0.0, middle - WORD_SECONDS / 2)
    return {"start": f"{start:.3f}", "end": f"{start + WORD_SECONDS:.3f}"}


def _sentences(words: list[Row]) -> list[Row]:
    """Makes a clip of each file, from where its first word begins to where its last one ends."""
    fold = _folds_of_files(words)
    of_file = collections.defaultdict(list)
    for word in words:
        of_file[word["path"]].append(word)
    return [
        {
            "path": path,
            "label": "",
            "split": fold[path],
            "start": f"{min(float(word['start_s']) for word in spoken):.3f}",
            "end": f"{max(float(word['end_s']) for word in spoken):.3f}",
        }
        for path, spoken in of_file.items()
    ]


def _folds_of_files(words: list[Row]) -> dict[str, str]:
    """Deals the files out to folds in an order that has nothing to do with their names.

    Names spell the words, and those that follow each other count: the list's own split by them has seven
    times as many nines to learn from as to test, and hardly more eights.
    """
    paths = sorted({word["path"] for word in words})
    random.Random(0).shuffle(paths)
    return {path: fold_name(1 + place % FOLDS) for place, path in enumerate(paths)}


_WORDS = {"folder": "grid_s1_words", "file": "words.csv", "media": "../grid_s1"}
SETS: Mapping[str, ClipSet] = {
    "egogestar": ClipSet("egogestar", _in_blocks),
    "tennis7": ClipSet("tennis7", _in_blocks),
    "utd": ClipSet("utd_mhad_rgb5", _by_subject),
    "sentences": ClipSet(rows=_sentences, **_WORDS),
    **{
        slot: ClipSet(rows=_words(slot), **_WORDS)
        for slot in ("command", "colour", "preposition", "letter", "digit", "adverb")
    },
    "esc50": ClipSet("esc50", _official_folds),
}
