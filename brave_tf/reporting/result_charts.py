"""Charts of results as inline SVG: values with intervals, accuracies of classes, and confusion matrices."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from brave_tf.pages import pictures
from brave_tf.pages.svg import escape, line, svg, text, ticks
from brave_tf.reporting.line_chart import style

_WIDTH = 560
_ROW = 24
# Room for names of 27 letters, and for "100.0 (100.0–100.0)" beside a marker.
_NAMES, _FIGURES = 190, 144
_BAR, _CLASS_GAP = 13, 9
_MOST_CLASSES = 40
_MOST_NAMED, _MOST_COUNTED, _MOST_LETTERS = 32, 14, 18


@dataclasses.dataclass(frozen=True)
class Value:
    """A measured or published fraction.

    Attributes:
      name: of what was measured.
      value: in [0, 1].
      interval: low and high end, None where nobody knows.
      colour: index of its run; None for a published one.
      filled: False for a baseline.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    colour: int | None = None
    filled: bool = True


@dataclasses.dataclass(frozen=True)
class Series:
    """What a series of values is of.

    Attributes:
      name: shown when it is pointed at.
      colour: index of its run.
      baseline: whether it is a baseline, and faint.
    """

    name: str
    colour: int
    baseline: bool = False


def interval_chart(values: Sequence[Value], label: str, chance: float | None = None) -> str:
    """Draws a row with a dot and its interval for each value, in per cent.

    Args:
      values: one or more.
      label: what is shown, for those who cannot see it.
      chance: the fraction that guessing gets, drawn as a dashed line.
    """
    ends = [end for v in values for end in (v.value, *(v.interval or ()))]
    ends += [chance] if chance is not None else []
    low, high = max(0.0, min(ends) - 0.02), min(1.0, max(ends) + 0.02)
    plot = _WIDTH - _NAMES - _FIGURES
    height = len(values) * _ROW

    def x(fraction: float) -> float:
        return _NAMES + (fraction - low) / (high - low) * plot

    parts = []
    for percent in ticks(100 * low, 100 * high, 5):
        parts.append(line(x(percent / 100), 0, x(percent / 100), height))
        parts.append(text(x(percent / 100), height + 15, f"{percent:g}"))
    if chance is not None:
        parts.append(line(x(chance), 0, x(chance), height, "dashed"))
        parts.append(text(x(chance), height + 29, "chance"))
    parts.append(text(_WIDTH, height + 15, "%", "end"))
    for index, value in enumerate(values):
        parts += _row(value, x, (index + 0.5) * _ROW)
    return svg(_WIDTH, height + (34 if chance is not None else 20), parts, label)


def _row(value: Value, x, y: float) -> list[str]:
    colour = "mark" if value.colour is None else style(value.colour)
    said = f"{100 * value.value:.1f}"
    parts = [_name(value.name, _NAMES - 10, y + 4, 27)]
    if value.interval:
        low, high = value.interval
        said += f" ({100 * low:.1f}–{100 * high:.1f})"
        parts.append(line(x(low), y, x(high), y, colour))
        parts += [line(x(end), y - 4, x(end), y + 4, colour) for end in value.interval]
    if value.colour is None:
        parts.append(line(x(value.value), y - 7, x(value.value), y + 7, "mark"))
    else:
        kind = colour if value.filled else f"ring {colour}"
        parts.append(f'<circle cx="{x(value.value):.1f}" cy="{y:.1f}" r="5" class="{kind}"/>')
    parts.append(text(_WIDTH, y + 4, said, "end", "said"))
    return parts


def count(clips: float) -> str:
    """Writes a number of clips, with a decimal where classes share some."""
    whole = abs(clips - round(clips)) < 1e-6
    return f"{clips:,.{0 if whole else 1}f}"


def class_bars(
    names: Sequence[str],
    shares: Sequence[np.ndarray],
    intervals: Sequence[np.ndarray | None],
    series: Sequence[Series],
    clips: np.ndarray,
) -> str:
    """Draws bars for each class, the lowest of the first series last; the ends where there are many classes.

    Args:
      names: of the classes.
      shares: for each series (classes,) fractions, not a number where there is none.
      intervals: for each series (classes, 2) fractions, None where nobody knows.
      series: what they are.
      clips: (classes,) test clips, or positives, of each class.
    """
    order = [i for i in np.argsort(-shares[0], kind="stable") if np.isfinite(shares[0][i])]
    left_out = max(0, len(order) - _MOST_CLASSES)
    shown = order if not left_out else order[: _MOST_CLASSES // 2] + order[-_MOST_CLASSES // 2 :]
    bar = max(6, _BAR - 2 * len(shares)) if len(shares) > 1 else _BAR
    step = bar * len(shares) + _CLASS_GAP
    plot = _WIDTH - _NAMES - 52
    parts, y = [], 0.0
    for rank, index in enumerate(shown):
        if left_out and rank == _MOST_CLASSES // 2:
            parts.append(text(_NAMES, y + 14, f"{left_out} classes between", "start"))
            y += 24
        middle = y + bar * len(shares) / 2
        parts.append(_name(names[index], _NAMES - 8, middle + 4, 28))
        for number, (share, interval) in enumerate(zip(shares, intervals)):
            right = f"{100 * share[index]:.1f} % of {count(clips[index])}"
            title = f"{series[number].name}: {names[index]}, {right}"
            ends = None if interval is None else interval[index]
            parts += _bar(share[index], ends, y + number * bar, bar, plot, series[number], title)
        parts.append(text(_WIDTH, middle + 4, f"{100 * shares[0][index]:.0f} %", "end", "said"))
        y += step
    grid = [line(_NAMES + p / 100 * plot, 0, _NAMES + p / 100 * plot, y) for p in range(0, 101, 25)]
    grid += [text(_NAMES + p / 100 * plot, y + 14, p) for p in range(0, 101, 25)]
    return svg(_WIDTH, y + 20, [*grid, *parts], "accuracy of each class in per cent")


def _bar(
    share, ends, y: float, height: float, plot: float, series: Series, title: str
) -> list[str]:
    if not np.isfinite(share):
        return []
    parts = [
        f'<rect x="{_NAMES}" y="{y:.1f}" width="{max(share * plot, 0.5):.1f}" height="{height - 1}" '
        f'class="{style(series.colour)}" opacity="{0.4 if series.baseline else 0.9}">'
        f"<title>{escape(title)}</title></rect>"
    ]
    if ends is not None:
        low, high = (_NAMES + max(0.0, float(end)) * plot for end in ends)
        parts.append(line(low, y + height / 2 - 0.5, high, y + height / 2 - 0.5, "whisker"))
    return parts


def confusion_matrix(cells: np.ndarray, names: Sequence[str]) -> str:
    """Draws which class was taken for which: a row for each right class, a column for each predicted one.

    Args:
      cells: (classes, classes) clips. A cell is as dark as its share of its row.
      names: of the classes.
    """
    size = len(names)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    named = size <= _MOST_NAMED
    longest = min(max(map(len, names)), _MOST_LETTERS)
    # Names of columns are turned by 50 degrees.
    left, top = (14 + 6.6 * longest, 14 + 5.4 * longest) if named else (34, 22)
    side = (_WIDTH - left - 2) / size
    length = side * size
    parts = []
    if named:
        for index, name in enumerate(names):
            middle = (index + 0.5) * side
            parts.append(_name(name, left - 7, top + middle + 4, _MOST_LETTERS))
            parts.append(
                f'<g transform="translate({left + middle + 3:.1f} {top - 6:.1f}) rotate(-50)">'
                f"{_name(name, 0, 0, _MOST_LETTERS, 'start')}</g>"
            )
        parts += _cells(cells, shares, names, left, top, side)
    else:
        image = pictures.png_uri(_alpha(shares))
        parts.append(
            f'<image x="{left}" y="{top}" width="{length:.1f}" height="{length:.1f}" class="pixels" '
            f'href="{image}"><title>{size} classes in the order of their labels</title></image>'
        )
        parts.append(text(left + length / 2, top - 7, "predicted"))
        parts.append(f'<g transform="translate({left - 9} {top + length / 2:.1f}) rotate(-90)">')
        parts.append(text(0, 0, "right") + "</g>")
    parts.append(
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{length:.1f}" height="{length:.1f}" class="frame"/>'
    )
    return svg(_WIDTH, top + length + 2, parts, "confusion matrix")


def _cells(cells, shares, names: Sequence[str], left: float, top: float, side: float) -> list[str]:
    parts = []
    for right, predicted in zip(*np.nonzero(cells)):
        said, share = count(cells[right, predicted]), float(shares[right, predicted])
        x, y = left + predicted * side, top + right * side
        title = (
            f"{names[right]} taken for {names[predicted]}: {said} of {count(cells[right].sum())}"
        )
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}" class="cell" '
            f'fill-opacity="{max(share, 0.03):.3f}"><title>{escape(title)}</title></rect>'
        )
        if len(names) <= _MOST_COUNTED:
            kind = "on" if share > 0.55 else "said"
            parts.append(text(x + side / 2, y + side / 2 + 4, said, style=kind))
    return parts


def _alpha(shares: np.ndarray) -> np.ndarray:
    """Returns (classes, classes, 4) uint8 RGBA of one colour, as opaque as the share is large."""
    image = np.empty((*shares.shape, 4), np.uint8)
    image[..., :3] = (42, 120, 214)
    image[..., 3] = np.rint(255 * np.sqrt(shares))
    return image


def _name(name: str, x: float, y: float, most: int, anchor: str = "end") -> str:
    """Writes a name, cut where it is long and whole when it is pointed at."""
    if len(name) <= most:
        return text(x, y, name, anchor)
    return f"<g><title>{escape(name)}</title>{text(x, y, name[: most - 1] + '…', anchor)}</g>"
