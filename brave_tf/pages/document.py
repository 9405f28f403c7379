"""The frame of a page, one HTML file that needs nothing else, and its tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from brave_tf.pages.style import STYLE
from brave_tf.pages.svg import escape

_NUMBER = re.compile(r"[-–]|-?\d.*").fullmatch


def write(path: str, title: str, parts: Iterable[str]) -> None:
    """Writes a page, part by part.

    Args:
      path: of the HTML file.
      title: text, the page's heading too.
      parts: HTML of the body.
    """
    # Names of files may hold bytes that are no text.
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(_head(title))
        for part in parts:
            file.write(part + "\n")
        file.write("</body></html>\n")


def table(rows: Sequence[Sequence[object]], marked: Sequence[int] = ()) -> str:
    """Returns a table of texts, which scrolls where the page is too narrow for it; numbers to the right.

    Args:
      rows: the head, and the others; a cell each.
      marked: indices among `rows` of those to emphasise.
    """
    columns = list(zip(*rows[1:])) or [()] * len(rows[0])
    kinds = ["" if all(map(_NUMBER, map(str, column))) else ' class="text"' for column in columns]
    lines = []
    for index, row in enumerate(rows):
        tag = "td" if index else "th"
        cells = "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for cell, kind in zip(row, kinds))
        lines.append(f'<tr class="marked">{cells}</tr>' if index in marked else f"<tr>{cells}</tr>")
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _head(title: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>\n"
    )
