"""Reads the lists and tables that come with public data sets; errors name file and line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from brave_tf.data.clips.names import one_form
from brave_tf.errors import UserError
from brave_tf.storage import files


def lines(path: str) -> Iterator[tuple[int, str]]:
    """Yields number and text of the lines of a file, in NFC and stripped, without empty ones.

    Raises:
      UserError: The file is not text in UTF-8.
    """
    files.check_ends(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, one_form(line.strip())
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not text in UTF-8: {error}.") from error


def table(path: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the rows of a CSV with a header: line number, and column -> stripped cell.

    Args:
      path: The file.
      columns: Columns that must be there; all are in the rows.

    Raises:
      UserError: A column is missing, a row has more or fewer cells than the header, or it is no CSV.
    """
    header = None
    for line, cells in rows(path):
        if header is None:
            header = cells
            missing = [name for name in columns if name not in header]
            if missing:
                found = ", ".join(header)
                raise malformed(path, line, f"no column {missing[0]!r} among {found}")
        elif len(cells) != len(header):
            raise malformed(path, line, f"{len(cells)} cells, the header has {len(header)}")
        else:
            yield line, dict(zip(header, cells))
    if header is None:
        raise malformed(path, 1, f"expected a header with {', '.join(columns)}; the file is empty")


def rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yields line number and cells of each row of a CSV, as in `lines`, without rows that begin with #.

    Raises:
      UserError: The file is no CSV in UTF-8.
    """
    files.check_ends(path)
    with open(path, newline="", encoding="utf-8-sig") as file:
        text = (line.strip() for line in file)
        reader = csv.reader(text, skipinitialspace=True, strict=True)
        try:
            for cells in reader:
                if any(cells) and not cells[0].startswith("#"):
                    yield reader.line_num, [one_form(cell.strip()) for cell in cells]
        except csv.Error as error:
            raise malformed(path, reader.line_num, f"not a row of a CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: is not text in UTF-8: {error}.") from error


def seconds(path: str, line: int, text_of_start: str, text_of_end: str) -> tuple[float, float]:
    """Returns start and end of a window.

    Raises:
      UserError: They are no numbers, below zero, or in the wrong order.
    """
    try:
        start, end = float(text_of_start), float(text_of_end)
    except ValueError:
        start = end = -1.0
    if not 0 <= start < end < float("inf"):
        raise malformed(
            path, line, f"from {text_of_start!r} to {text_of_end!r}, expected seconds: 10 and 20"
        )
    return start, end


def malformed(path: str, line: int, problem: str) -> UserError:
    """Returns the error for a line that cannot be understood."""
    return UserError(f"{path}: line {line}: {problem}.")
