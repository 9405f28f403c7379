"""Folders and CSVs that list clips."""

from __future__ import annotations

import pathlib

from brave_tf.data.clips.clip import ListedClip
from brave_tf.data.clips.clip_list import read_clips


def touch(folder: pathlib.Path, *paths: str) -> None:
    """Writes files of one byte below a folder."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")


def write_csv(folder: pathlib.Path, text: str, name: str = "clips.csv") -> str:
    """Writes a CSV; returns its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def make_clips(folder: pathlib.Path, per_class: int = 20, windows: int = 3) -> list[ListedClip]:
    """Lists windows of files of the classes a, b and c, which are not there."""
    rows = ["path,label,start,end"]
    for label in "abc":
        for number in range(per_class):
            rows += [f"{label}{number}.mp4,{label},{i},{i + 1}" for i in range(windows)]
    return read_clips(write_csv(folder, "\n".join(rows) + "\n"))
