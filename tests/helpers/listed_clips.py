"""Folders and CSVs that list clips."""

from __future__ import annotations

import pathlib


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
