"""Charts of clips: bars per label, and a histogram of durations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.container import BarContainer
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from brave_tf.pages.chart import WIDTH, Chart, colour, drawing

_LEFT, _RIGHT = 150, 50
_ROW, _BAR = 20, 15
_MOST_LABELS = 40
_BINS = 30
_STEPS = [1, 2, 5, 10]
# Columns that are narrower have no gaps between them.
_MOST_APART = 60

Series = Mapping[str, Sequence[float]]


def label_bars(counts: Series, labels: Sequence[str]) -> Markup:
    """Draws clips per label, most frequent first: a bar each, or a curve when there are many.

    Args:
      counts: series -> count of each label; they are stacked.
      labels: texts.
    """
    total = np.sum([*counts.values()], axis=0)
    order = np.argsort(-total, kind="stable")
    if len(labels) > _MOST_LABELS:
        return _ranked(counts, labels, order, total)
    with drawing(len(order) * _ROW, _LEFT, _RIGHT, 0, 0) as chart:
        most = max(total.max(), 1)
        chart.axes.set_axis_off()
        chart.axes.set_xlim(0, most)
        chart.axes.set_ylim(len(order) - 0.5, -0.5)
        for row, index in enumerate(order):
            chart.name(-6, row, labels[index], 22)
            end = total[index] / most * (WIDTH - _LEFT - _RIGHT)
            chart.write(end + 5, row, f"{total[index]:,}", "left")
        ranked = {name: np.asarray(values)[order] for name, values in counts.items()}

        def draw(rows: np.ndarray, lengths: np.ndarray, begins: np.ndarray, **look) -> BarContainer:
            return chart.axes.barh(rows, lengths, _BAR / _ROW, left=begins, **look)

        _stack(chart, ranked, draw)
        said = (f"{labels[index]}: {total[index]:,}" for index in order)
        return chart.svg("clips per label", "; ".join(said))


def histogram(values: Series, unit: str) -> Markup:
    """Draws how often values occur, the series stacked.

    Args:
      values: series -> its values.
      unit: of the values, beneath the axis.
    """
    every = np.concatenate([np.asarray(each, float) for each in values.values()])
    low, high = float(every.min()), float(every.max())
    said = (
        f"{len(every):,} clips of {low:.4g} to {high:.4g} {unit}, the median {np.median(every):.4g}"
    )
    if high - low < 0.01 * max(high, 1e-3):
        low, high = 0.9 * low, 1.1 * high or 1.0
    edges = np.linspace(low, high, _BINS + 1)
    counts = {name: np.histogram(each, edges)[0] for name, each in values.items()}
    return _columns(counts, edges, unit, "durations", said)


def _ranked(counts: Series, labels: Sequence[str], order: np.ndarray, total: np.ndarray) -> Markup:
    ranked = {name: np.asarray(values)[order] for name, values in counts.items()}
    unit = (
        f"labels by rank: {labels[order[0]]} ({total[order[0]]:,}) to "
        f"{labels[order[-1]]} ({total[order[-1]]:,})"
    )
    return _columns(ranked, np.arange(len(labels) + 1), unit, "clips per label", unit)


def _columns(counts: Series, edges: np.ndarray, unit: str, label: str, said: str) -> Markup:
    """Draws stacked columns between `edges`."""
    left, right, bottom = 52, 14, 34
    gap = (edges[-1] - edges[0]) / (WIDTH - left - right) if len(edges) <= _MOST_APART else 0
    with drawing(220, left, right, 6, bottom) as chart:
        axes = chart.axes

        def draw(
            places: np.ndarray, lengths: np.ndarray, begins: np.ndarray, **look
        ) -> BarContainer:
            widths = np.diff(edges)[places] - gap
            return axes.bar(edges[places], lengths, widths, begins, align="edge", **look)

        _stack(chart, counts, draw)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, max(int(np.sum([*counts.values()], axis=0).max()), 1))
        axes.grid(axis="y")
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=_STEPS, integer=True))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        chart.name_axis(unit)
        return chart.svg(label, said)


def _stack(chart: Chart, counts: Series, draw: Callable[..., BarContainer]) -> None:
    """Draws the parts of bars, and tells how much each is of which series.

    Args:
      chart: where to.
      counts: series -> a count for each bar.
      draw: is given indices of bars, their lengths, and where they begin.
    """
    begins = np.zeros(len(next(iter(counts.values()))))
    for number, (name, values) in enumerate(counts.items()):
        lengths = np.asarray(values, int)
        kept = np.flatnonzero(lengths)
        # The line around it shows a bar that is shorter than a pixel.
        look = {"color": colour(number), "linewidth": 0.5}
        for bar, length in zip(draw(kept, lengths[kept], begins[kept], **look), lengths[kept]):
            chart.tell(bar, f"{name}: {length:,}")
        begins = begins + lengths
