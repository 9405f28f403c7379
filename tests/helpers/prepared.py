"""Reads and compares folders of prepared clips, and writes lists of clips."""

from __future__ import annotations

import csv
import pathlib

import tensorflow as tf

from brave_tf.data.preparation.settings import PreparationSettings

FAST = PreparationSettings(fps=12.5, min_side=32, flow="dis", sample_rate=8000, num_shards=3)


def contents(folder: str | pathlib.Path) -> dict[str, bytes]:
    """Returns the bytes of each file of a folder and those in it, by its path from there."""
    paths = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def failures(folder: pathlib.Path) -> list[dict[str, str]]:
    """Returns the rows of failures.csv."""
    with open(folder / "failures.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def records(folder: pathlib.Path, split: str) -> list[bytes]:
    """Returns the records of a split in the order of its shards."""
    files = sorted(map(str, folder.glob(f"{split}-*.tfrecord")))
    return [record.numpy() for record in tf.data.TFRecordDataset(files)]


def write_csv(
    folder: pathlib.Path, rows: list[str], header: str = "path,label,split,start,end"
) -> str:
    """Writes `clips.csv`; returns its path."""
    (folder / "clips.csv").write_text("\n".join([header, *rows]) + "\n")
    return str(folder / "clips.csv")
