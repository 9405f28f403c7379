"""Charts of results: values with their intervals, and accuracies of classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from brave_tf.pages.chart import CARD, MUTED, TEXT, WIDTH, Chart, colour, drawing

_ROW = 24
# Room for names of 27 letters, and for "100.0 (100.0–100.0)" beside a marker.
_NAMES, _FIGURES, _SHARES = 190, 144, 52
_BAR, _CLASS_GAP, _BETWEEN = 13, 9, 24
_MOST_CLASSES = 40


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


def interval_chart(values: Sequence[Value], label: str, chance: float | None = None) -> Markup:
    """Draws a row with a dot and its interval for each value, in per cent.

    Args:
      values: one or more.
      label: what is shown, for those who cannot see it.
      chance: the fraction that guessing gets, drawn as a dashed line.
    """
    ends = [end for v in values for end in (v.value, *(v.interval or ()))]
    ends += [chance] if chance is not None else []
    bottom = 20 if chance is None else 34
    height = len(values) * _ROW + bottom
    with drawing(height, _NAMES, _FIGURES, 0, bottom) as chart:
        chart.axes.set_xlim(100 * max(0.0, min(ends) - 0.02), 100 * min(1.0, max(ends) + 0.02))
        chart.axes.set_ylim(len(values) * _ROW, 0)
        chart.axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        chart.axes.set_yticks([])
        chart.axes.grid(axis="x")
        chart.write(WIDTH - _NAMES, len(values) * _ROW + 11, "%", "right")
        said = [_row(chart, value, (row + 0.5) * _ROW) for row, value in enumerate(values)]
        if chance is not None:
            said.append(f"chance: {100 * chance:.1f}")
            line = chart.axes.axvline(100 * chance, color=MUTED, linewidth=1, dashes=(3, 4))
            chart.tell(line, said[-1])
            below = len(values) * _ROW + 25
            chart.axes.text(100 * chance, below, "chance", ha="center", va="center")
        return chart.svg(label, f"Per cent. {'; '.join(said)}")


def _row(chart: Chart, value: Value, y: float) -> str:
    look = TEXT if value.colour is None else colour(value.colour)
    said = f"{100 * value.value:.1f}"
    chart.name(-10, y, value.name, 27)
    if value.interval:
        low, high = (100 * end for end in value.interval)
        said += f" ({low:.1f}–{high:.1f})"
        (whisker,) = chart.axes.plot(
            [low, high], [y, y], "-|", color=look, linewidth=1.8, markersize=8, markeredgewidth=1.8
        )
        chart.tell(whisker, f"{value.name}: {said}")
    inside = look if value.filled else CARD
    shape = {"markersize": 10, "markeredgewidth": 2 if not value.filled else 0}
    if value.colour is None:
        shape = {"marker": "|", "markersize": 14, "markeredgewidth": 2}
    shape = {"marker": "o", "markerfacecolor": inside, "markeredgecolor": look, **shape}
    (mark,) = chart.axes.plot([100 * value.value], [y], linestyle="none", zorder=3, **shape)
    chart.tell(mark, f"{value.name}: {said}")
    chart.write(WIDTH - _NAMES, y, said, "right", TEXT)
    return f"{value.name}: {said}"


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
) -> Markup:
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
    tops = step * np.arange(len(shown), dtype=float)
    if left_out:
        tops[_MOST_CLASSES // 2 :] += _BETWEEN
    height = step * len(shown) + (_BETWEEN if left_out else 0)
    said = []
    with drawing(height + 20, _NAMES, _SHARES, 0, 20) as chart:
        _share_axes(chart, height)
        for index, top in zip(shown, tops):
            middle = top + bar * len(shares) / 2
            chart.name(-8, middle, names[index], 28)
            chart.write(WIDTH - _NAMES, middle, f"{100 * shares[0][index]:.0f} %", "right", TEXT)
            for number, (share, interval) in enumerate(zip(shares, intervals)):
                if np.isfinite(share[index]):
                    right = f"{100 * share[index]:.1f} % of {count(clips[index])}"
                    said.append(f"{series[number].name}: {names[index]}, {right}")
                    ends = None if interval is None else interval[index]
                    y = top + (number + 0.5) * bar
                    _bar(chart, y, bar - 1, share[index], ends, series[number], said[-1])
        if left_out:
            middle = tops[_MOST_CLASSES // 2] - _BETWEEN / 2 - _CLASS_GAP / 2
            chart.write(0, middle, f"{left_out} classes between", "left")
        return chart.svg("accuracy of each class in per cent", "; ".join(said))


def _share_axes(chart: Chart, height: float) -> None:
    chart.axes.set_xlim(0, 100)
    chart.axes.set_ylim(height, 0)
    chart.axes.set_xticks(range(0, 101, 25))
    chart.axes.set_yticks([])
    chart.axes.grid(axis="x")


def _bar(
    chart: Chart, y: float, height: float, share: float, ends, series: Series, title: str
) -> None:
    (bar,) = chart.axes.barh(
        y, 100 * share, height, color=colour(series.colour), alpha=0.4 if series.baseline else 0.9
    )
    chart.tell(bar, title)
    if ends is not None:
        low, high = np.clip(100 * ends, 0, None)
        (whisker,) = chart.axes.plot([low, high], [y, y], color=TEXT, linewidth=1.2, alpha=0.7)
        chart.tell(whisker, title)
