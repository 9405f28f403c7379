"""Which classes were taken for which: a table, and a picture where there are many classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from brave_tf.pages import document, pictures
from brave_tf.reporting.predictions import StoredPredictions
from brave_tf.reporting.result_charts import count
from brave_tf.reporting.tables import percent

_MISTAKES = 8
_MOST_NAMED, _MOST_COUNTED, _MOST_LETTERS = 32, 14, 18
# Of a row, from which on letters on a cell are those of a dark one.
_DARK = 0.55


def confusions(series: str, found: StoredPredictions) -> Markup:
    """Returns a table of the classes that occur: a row for each right class, a column for each predicted one.

    Args:
      series: name of what predicted.
      found: its predictions.
    """
    cells = found.confusion()
    used = np.flatnonzero(cells.sum(axis=0) + cells.sum(axis=1))
    cells, names = cells[np.ix_(used, used)], [found.classes[index] for index in used]
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    named = len(names) <= _MOST_NAMED
    return document.render(
        "confusion.html",
        series=series,
        accuracy=percent(np.trace(cells) / cells.sum()),
        clips=count(cells.sum()),
        names=names,
        letters=min(max(map(len, names)), _MOST_LETTERS),
        rows=_rows(cells, shares, names) if named else (),
        counted=len(names) <= _MOST_COUNTED,
        picture=None if named else pictures.png_uri(_alpha(shares)),
        mistakes=_mistakes(cells, names),
    )


def _rows(cells: np.ndarray, shares: np.ndarray, names: Sequence[str]) -> list[list[dict | None]]:
    """Returns what the template shows of each cell; None of those without clips."""
    rows: list[list[dict | None]] = [[None] * len(names) for _ in names]
    for right, predicted in zip(*np.nonzero(cells)):
        share = float(shares[right, predicted])
        rows[right][predicted] = {
            "count": count(cells[right, predicted]),
            "share": f"{max(share, 0.03):.3f}",
            "dark": share > _DARK,
            "title": _said(cells, names, right, predicted),
        }
    return rows


def _mistakes(cells: np.ndarray, names: Sequence[str]) -> list[str]:
    """Says which classes are most often taken for which."""
    wrong = cells - np.diag(np.diag(cells))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MISTAKES]
    places = zip(*np.unravel_index(order, wrong.shape))
    return [_said(cells, names, *place) for place in places if wrong[place]]


def _said(cells: np.ndarray, names: Sequence[str], right: int, predicted: int) -> str:
    counts = f"{count(cells[right, predicted])} of {count(cells[right].sum())}"
    return f"{names[right]} taken for {names[predicted]}: {counts}"


def _alpha(shares: np.ndarray) -> np.ndarray:
    """Returns (classes, classes, 4) uint8 RGBA of one colour, as opaque as the share is large."""
    image = np.empty((*shares.shape, 4), np.uint8)
    image[..., :3] = (42, 120, 214)
    image[..., 3] = np.rint(255 * np.sqrt(shares))
    return image
