"""Curves over training steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import EngFormatter, Formatter, MaxNLocator, StrMethodFormatter

from brave_tf.pages.chart import MUTED, WIDTH, Chart, colour, drawing

_HEIGHT = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 58, 10, 36
_MOST_POINTS = 240
_LABEL_SPACE = 13
_MOST_DOTS = 40
_LONG = 10_000


@dataclasses.dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
      name: shown when it is pointed at.
      colour: index of its run.
      steps: (points,) int64, rising.
      values: (points,) float64; what is no number is left out.
      dots: whether each point is marked, as of measurements that are far apart.
    """

    name: str
    colour: int
    steps: np.ndarray
    values: np.ndarray
    dots: bool = False


def line_chart(lines: Sequence[Line], label: str) -> Markup | None:
    """Draws curves with one pair of axes, and the last value of each beside it.

    Long curves are drawn as the means of equal parts.

    Args:
      lines: the curves.
      label: what is shown, for those who cannot see it.

    Returns:
      The SVG; None where there is no point to draw.
    """
    drawn = [(each, *_points(each)) for each in lines]
    drawn = [(each, steps, values) for each, steps, values in drawn if len(steps)]
    if not drawn:
        return None
    with drawing(_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM) as chart:
        for each, steps, values in drawn:
            _curve(chart, each, steps, values)
        numbers = np.concatenate([values for _, _, values in drawn])
        chart.axes.set_ylim(_padded(float(numbers.min()), float(numbers.max())))
        _axes(chart)
        _end_labels(chart, [(each.colour, values[-1]) for each, _, values in drawn])
        said = (_said(each, steps[-1], values[-1]) for each, steps, values in drawn)
        return chart.svg(label, f"Last values: {'; '.join(said)}")


def _points(each: Line) -> tuple[np.ndarray, np.ndarray]:
    """Returns the finite points of a curve, as means of equal parts where there are many."""
    finite = np.isfinite(each.values)
    steps, values = each.steps[finite].astype(float), each.values[finite]
    if len(steps) <= _MOST_POINTS:
        return steps, values
    parts = (np.array_split(numbers, _MOST_POINTS) for numbers in (steps, values))
    return tuple(np.array([part.mean() for part in each]) for each in parts)


def _said(each: Line, step: float, value: float) -> str:
    return f"{each.name}, step {step:,.0f}: {value:.4g}"


def _curve(chart: Chart, each: Line, steps: np.ndarray, values: np.ndarray) -> None:
    look = {"color": colour(each.colour)}
    (curve,) = chart.axes.plot(
        steps, values, linewidth=1.8, alpha=0.45 if each.dots else None, **look
    )
    chart.tell(curve, each.name)
    if (each.dots or len(steps) == 1) and len(steps) <= _MOST_DOTS:
        (dots,) = chart.axes.plot(steps, values, "o", markersize=7.2, markeredgewidth=0, **look)
        chart.tell(dots, *(_said(each, step, value) for step, value in zip(steps, values)))


def _padded(low: float, high: float) -> tuple[float, float]:
    """Returns a span with space around it, which begins at 0 where it begins near it."""
    space = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return 0.0 if 0 <= low < 0.3 * high else low - space, high + space


def _axes(chart: Chart) -> None:
    chart.axes.grid(axis="y")
    chart.axes.spines["bottom"].set(visible=True, color=MUTED)
    chart.axes.tick_params(axis="x", size=4, pad=4)
    chart.name_axis("step")
    steps = [1, 2, 5, 10]
    chart.axes.xaxis.set_major_locator(MaxNLocator(6, steps=steps, integer=True))
    chart.axes.yaxis.set_major_locator(MaxNLocator(5, steps=steps))
    for axis in (chart.axes.xaxis, chart.axes.yaxis):
        axis.set_major_formatter(_short(max(map(abs, axis.get_view_interval()))))


def _short(largest: float) -> Formatter:
    """Writes numbers in few characters: 300k for 300,000."""
    return EngFormatter(sep="") if largest >= _LONG else StrMethodFormatter("{x:.4g}")


def _end_labels(chart: Chart, ends: Sequence[tuple[int, float]]) -> None:
    """Writes the last values beside their curves, moved apart where they would lie on each other."""
    plot = _HEIGHT - _BOTTOM - _TOP
    if len(ends) * _LABEL_SPACE > plot:
        return
    low, high = chart.axes.get_ylim()
    pixel = (high - low) / plot
    lowest = high + _LABEL_SPACE * pixel
    for rank, (number, value) in enumerate(sorted(ends, key=lambda end: -end[1])):
        room = low + _LABEL_SPACE * (len(ends) - 1 - rank) * pixel
        lowest = max(min(value, lowest - _LABEL_SPACE * pixel), room)
        large = abs(value) >= _LONG
        said = EngFormatter(places=1, sep="")(value) if large else f"{value:.3g}"
        chart.write(WIDTH - _LEFT - _RIGHT + 6, lowest, said, "left", colour(number))
