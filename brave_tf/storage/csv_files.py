"""Writes tables of clips as CSV."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from typing import Any

from brave_tf.storage import files

# Spreadsheets take a cell that begins like this for a formula, and compute it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write(path: files.Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table in the place of what is at `path`.

    A text that a spreadsheet would compute gets something in front: `./` in the column `path`, where it
    names the same file, a space in others. Bytes that are no text are written as they are.

    Args:
      path: of the CSV.
      columns: their names.
      rows: a cell for each column; None is written as nothing.

    Raises:
      OSError: it could not be written.
    """
    before = [os.curdir + "/" if column == "path" else " " for column in columns]
    with (
        files.replacing(path) as aside,
        open(aside, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        minimal, full = (
            csv.writer(file, lineterminator="\n", quoting=quoting)
            for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
        )
        minimal.writerow(columns)
        for row in rows:
            cells = [_plain(cell, sign) for cell, sign in zip(row, before)]
            # By itself the writer leaves a carriage return unquoted, which readers take for the end of a row.
            returns = any("\r" in cell for cell in cells if isinstance(cell, str))
            (full if returns else minimal).writerow(cells)


def _plain(cell: Any, sign: str) -> Any:
    return sign + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
