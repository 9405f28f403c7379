"""The parts that charts as inline SVG are made of.

Colours and fonts come from the page's style sheet: `.s1` to `.s6` are the colours of series, and text and
lines follow light and dark mode.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

SERIES = 6


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Returns at most `most` + 1 round numbers, 1, 2 or 5 times a power of ten apart, in [low, high]."""
    span = high - low
    if span <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def short(value: float) -> str:
    """Returns a number in few characters: 300k for 300,000, four digits of others."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= 10 * size or (abs(value) >= size and value % (size / 10) == 0):
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def text(x: float, y: float, value: object, anchor: str = "middle", style: str = "") -> str:
    """Returns an SVG text; `y` is that of its base line."""
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(value)}</text>'


def escape(value: object) -> str:
    """Returns text for HTML."""
    return html.escape(str(value))


def line(x1: float, y1: float, x2: float, y2: float, style: str = "grid") -> str:
    """Returns an SVG line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def svg(width: float, height: float, parts: Sequence[str], label: str) -> str:
    """Returns an SVG that is as wide as its place on the page."""
    body = "".join(parts)
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">{body}</svg>'


def legend(names: Sequence[str]) -> str:
    """Returns the names of the series beside their colours; nothing for a single one."""
    if len(names) < 2:
        return ""
    keys = (f'<span><i class="s{i}"></i>{escape(name)}</span>' for i, name in enumerate(names, 1))
    return f'<p class="legend">{"".join(keys)}</p>'
