"""Charts of clips: bars per label, and a histogram of durations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from brave_tf.pages.svg import escape, line, svg, text, ticks

_WIDTH = 560
_BAR, _GAP = 15, 5
_MOST_LABELS = 40
_BINS = 30

Series = Mapping[str, Sequence[float]]


def label_bars(counts: Series, labels: Sequence[str]) -> str:
    """Draws clips per label, most frequent first: a bar each, or a curve when there are many.

    Args:
      counts: series -> count of each label; they are stacked.
      labels: texts.
    """
    total = np.sum([*counts.values()], axis=0)
    order = np.argsort(-total, kind="stable")
    if len(labels) > _MOST_LABELS:
        return _ranked(counts, labels, order, total)
    left, right = 150, 50
    scale = (_WIDTH - left - right) / max(total.max(), 1)
    parts = []
    for row, index in enumerate(order):
        y = row * (_BAR + _GAP)
        shown = labels[index] if len(labels[index]) <= 22 else labels[index][:21] + "…"
        parts.append(text(left - 6, y + _BAR - 3, shown, "end"))
        parts += _stack(
            counts, index, lambda a, b, y=y: (left + a * scale, y, (b - a) * scale, _BAR)
        )
        parts.append(
            text(left + total[index] * scale + 5, y + _BAR - 3, f"{total[index]:,}", "start")
        )
    return svg(_WIDTH, len(order) * (_BAR + _GAP), parts, "clips per label")


def histogram(values: Series, unit: str) -> str:
    """Draws how often values occur, the series stacked.

    Args:
      values: series -> its values.
      unit: of the values, beneath the axis.
    """
    every = np.concatenate([np.asarray(each, float) for each in values.values()])
    low, high = float(every.min()), float(every.max())
    if high - low < 0.01 * max(high, 1e-3):
        low, high = 0.9 * low, 1.1 * high or 1.0
    edges = np.linspace(low, high, _BINS + 1)
    counts = {name: np.histogram(each, edges)[0] for name, each in values.items()}
    return _columns(counts, edges, unit, "durations")


def _ranked(counts: Series, labels: Sequence[str], order: np.ndarray, total: np.ndarray) -> str:
    ranked = {name: np.asarray(values)[order] for name, values in counts.items()}
    unit = (
        f"labels by rank: {labels[order[0]]} ({total[order[0]]:,}) to "
        f"{labels[order[-1]]} ({total[order[-1]]:,})"
    )
    return _columns(ranked, np.arange(len(labels) + 1), unit, "clips per label")


def _columns(counts: Series, edges: np.ndarray, unit: str, label: str) -> str:
    """Draws stacked columns between `edges`."""
    left, top, bottom, height = 52, 6, 34, 220
    plot = _WIDTH - left - 8
    most = max(int(np.sum([*counts.values()], axis=0).max()), 1)
    span = float(edges[-1] - edges[0])

    def x(value: float) -> float:
        return left + (value - float(edges[0])) / span * plot

    def y(count: float) -> float:
        return height - bottom - count / most * (height - bottom - top)

    parts = []
    for count in ticks(0, most, 5):
        if count == round(count):
            parts += [line(left, y(count), _WIDTH - 8, y(count))]
            parts += [text(left - 6, y(count) + 4, f"{count:,.0f}", "end")]
    gap = 1 if len(edges) <= 61 else 0
    for index in range(len(edges) - 1):
        x0, x1 = x(edges[index]), x(edges[index + 1])

        def box(a: float, b: float, x0=x0, x1=x1) -> tuple[float, float, float, float]:
            return x0, y(b), x1 - x0 - gap, y(a) - y(b)

        parts += _stack(counts, index, box)
    parts += [text(x(t), height - bottom + 15, f"{t:g}") for t in ticks(edges[0], edges[-1])]
    parts.append(text(left + plot / 2, height - 3, unit))
    return svg(_WIDTH, height, parts, label)


def _stack(counts: Series, index: int, box) -> list[str]:
    """Draws the parts of one bar; `box` gives x, y, width and height of what is from a to b."""
    parts, begin = [], 0
    for number, (name, values) in enumerate(counts.items(), 1):
        count = int(values[index])
        if count:
            x, y, width, height = box(begin, begin + count)
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
                f'height="{max(height, 0.5):.1f}" class="s{number}"><title>{escape(name)}: {count:,}'
                "</title></rect>"
            )
        begin += count
    return parts
