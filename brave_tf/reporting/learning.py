"""The learning curves of a report."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from brave_tf.pages import document
from brave_tf.reporting.line_chart import Line, line_chart
from brave_tf.reporting.runs import Run

TRAIN = "train"
# Shown at once; the others are folded up.
_FIRST = re.compile(r"loss|eval/.*|probe/.*|accuracy/.*|features/std.*")


def learning_curves(runs: Sequence[Run]) -> Markup:
    """Draws every scalar of the runs, those that tell how they learn first; nothing where there are none.

    A line is what was measured on training clips, lines with dots what was measured now and then.
    """
    lines: dict[str, list[Line]] = {}
    for colour, run in enumerate(runs):
        for tag, line in [*_logged(run, colour), *_evaluated(run, colour)]:
            lines.setdefault(tag, []).append(line)
    order = sorted(lines, key=lambda tag: (tag != "loss", not tag.startswith("eval/"), tag))
    charts = [(tag, line_chart(lines[tag], tag)) for tag in order]
    first = [(tag, chart) for tag, chart in charts if _FIRST.fullmatch(tag)]
    others = [(tag, chart) for tag, chart in charts if not _FIRST.fullmatch(tag)]
    return document.render("curves.html", first=first, others=others)


def _logged(run: Run, colour: int) -> list[tuple[str, Line]]:
    """Returns the curves of the event files by tag; those of evaluations are in the results too."""
    found = []
    for kind, curves in run.curves.items():
        for tag, curve in curves.items():
            name = f"{run.name}, {kind.replace('_', '-')}"
            dots = kind != TRAIN
            if not (tag.startswith("eval/") and run.entries):
                found.append((tag, Line(name, colour, curve.steps, curve.values, dots)))
    return found


def _evaluated(run: Run, colour: int) -> list[tuple[str, Line]]:
    """Returns the main metric of tasks that were run at more than one step, random weights at step 0."""
    points: dict[tuple[str, ...], dict[int, float]] = {}
    for entry in run.entries:
        if entry.step is not None and entry.baseline in (None, "random"):
            of = filter(None, (entry.view, entry.precision))
            key = (f"eval/{entry.title}/{entry.main_metric}", *of)
            points.setdefault(key, {})[entry.step] = entry.value
    found = []
    for (tag, *of), values in points.items():
        if len(values) > 1:
            steps = sorted(values)
            numbers = np.array([values[step] for step in steps])
            name = ", ".join((run.name, *of))
            found.append((tag, Line(name, colour, np.array(steps), numbers, dots=True)))
    return found
