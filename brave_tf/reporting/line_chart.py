"""Curves over training steps as inline SVG."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from brave_tf.pages.svg import SERIES, escape, line, short, svg, text, ticks

_WIDTH, _HEIGHT = 560, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 58, 10, 36
_MOST_POINTS = 240
_LABEL_SPACE = 13
_MOST_DOTS = 40


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


def style(number: int) -> str:
    """Returns the class of the colour of the run of this index."""
    return f"s{number % SERIES + 1}"


def line_chart(lines: Sequence[Line], label: str) -> str | None:
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
    x = _scale(_span([steps for _, steps, _ in drawn]), _LEFT, _WIDTH - _RIGHT)
    low, high = _padded(*_span([values for _, _, values in drawn]))
    y = _scale((low, high), _HEIGHT - _BOTTOM, _TOP)
    parts = _axes(x, y, drawn, (low, high))
    for each, steps, values in drawn:
        parts += _curve(each, x(steps), y(values), steps, values)
    ends = [(each.colour, float(y(values[-1])), values[-1]) for each, _, values in drawn]
    return svg(_WIDTH, _HEIGHT, [*parts, *_end_labels(ends)], label)


def _points(each: Line) -> tuple[np.ndarray, np.ndarray]:
    """Returns the finite points of a curve, as means of equal parts where there are many."""
    finite = np.isfinite(each.values)
    steps, values = each.steps[finite].astype(float), each.values[finite]
    if len(steps) <= _MOST_POINTS:
        return steps, values
    parts = (np.array_split(numbers, _MOST_POINTS) for numbers in (steps, values))
    return tuple(np.array([part.mean() for part in each]) for each in parts)


def _span(numbers: Sequence[np.ndarray]) -> tuple[float, float]:
    return min(float(each.min()) for each in numbers), max(float(each.max()) for each in numbers)


def _padded(low: float, high: float) -> tuple[float, float]:
    """Returns a span with space around it, which begins at 0 where it begins near it."""
    space = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return 0.0 if 0 <= low < 0.3 * high else low - space, high + space


def _scale(span: tuple[float, float], begin: float, end: float):
    """Returns a function from numbers in `span` to places between `begin` and `end`."""
    low, high = span
    factor = (end - begin) / (high - low) if high > low else 0.0
    middle = 0.0 if high > low else (end - begin) / 2
    return lambda values: begin + middle + (values - low) * factor


def _axes(x, y, drawn, span: tuple[float, float]) -> list[str]:
    parts = []
    for value in ticks(*span, 5):
        parts += [line(_LEFT, y(value), _WIDTH - _RIGHT, y(value))]
        parts += [text(_LEFT - 7, y(value) + 4, short(value), "end")]
    base = _HEIGHT - _BOTTOM
    for step in ticks(*_span([steps for _, steps, _ in drawn]), 6):
        parts += [line(x(step), base, x(step), base + 4, "axis")]
        parts += [text(x(step), base + 17, short(step))]
    parts.append(line(_LEFT, base, _WIDTH - _RIGHT, base, "axis"))
    parts.append(text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 3, "step"))
    return parts


def _curve(each: Line, xs, ys, steps: np.ndarray, values: np.ndarray) -> list[str]:
    colour = style(each.colour)
    name = escape(each.name)
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys))
    faint = ' opacity="0.45"' if each.dots else ""
    parts = [
        f'<path d="M{places.replace(" ", " L")}" class="{colour}"{faint}><title>{name}</title></path>'
    ]
    if each.dots or len(steps) == 1:
        kept = range(len(steps)) if len(steps) <= _MOST_DOTS else ()
        for i in kept:
            said = f"{name}, step {steps[i]:,.0f}: {values[i]:.4g}"
            parts.append(
                f'<circle cx="{xs[i]:.1f}" cy="{ys[i]:.1f}" r="3.6" class="{colour}"><title>{said}</title>'
                "</circle>"
            )
    return parts


def _end_labels(ends: Sequence[tuple[int, float, float]]) -> list[str]:
    """Writes the last values beside their curves, moved apart where they would lie on each other."""
    parts, lowest = [], _TOP - _LABEL_SPACE
    excess = len(ends) * _LABEL_SPACE - (_HEIGHT - _BOTTOM - _TOP)
    if excess > 0:
        return []
    for rank, (colour, y, value) in enumerate(sorted(ends, key=lambda end: end[1])):
        room = _HEIGHT - _BOTTOM - _LABEL_SPACE * (len(ends) - 1 - rank)
        lowest = min(max(y, lowest + _LABEL_SPACE), room)
        parts.append(text(_WIDTH - _RIGHT + 6, lowest + 4, f"{value:.3g}", "start", style(colour)))
    return parts
