"""What a report shows of classes: which are recognised, and which are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from brave_tf.pages import document
from brave_tf.reporting.confusions import confusions
from brave_tf.reporting.predictions import StoredPredictions, read_predictions, recalls
from brave_tf.reporting.result_charts import Series, class_bars
from brave_tf.reporting.runs import Entry, Run
from brave_tf.reporting.tables import series_name

Group = Sequence[tuple[Series, Entry]]

_PER_CLASS = "classes"


def by_task(runs: Sequence[Run]) -> dict[tuple[str, str], Group]:
    """Returns the last results of each task and view, over all runs and baselines."""
    groups: dict[tuple[str, str], list] = {}
    for colour, run in enumerate(runs):
        for entry in run.latest():
            series = Series(series_name(run, entry), colour, entry.baseline is not None)
            groups.setdefault((entry.title, entry.view), []).append((series, entry))
    return dict(sorted(groups.items()))


def chance(group: Group) -> float | None:
    """Returns the top-1 accuracy of guessing among the classes that occur; None where nobody knows them."""
    for _, entry in group:
        found = _predictions(entry)
        if found and entry.main_metric == "top1":
            return 1 / len(np.unique(found.labels))
    return None


def _predictions(entry: Entry) -> StoredPredictions | None:
    return read_predictions(entry.predictions, entry.content) if entry.predictions else None


def class_figures(group: Group) -> Markup | None:
    """Draws bars of the classes and confusions of the results of a task; None where none were kept."""
    kept = []
    for series, entry in group:
        found = _predictions(entry)
        if found:
            kept.append((series, found))
    tables = [each for each in group if each[1].content["metrics"].get(_PER_CLASS)]
    if not kept:
        return _of_tables(tables) if tables else None
    # One chart compares results of the same classes only.
    kept = [each for each in kept if each[1].classes == kept[0][1].classes]
    return _figures(
        "Accuracy of each class",
        [series for series, _ in kept],
        "With 95 % intervals (Wilson).",
        _bars(kept),
        trained=[confusions(series.name, found) for series, found in kept if not series.baseline],
        baselines=[confusions(series.name, found) for series, found in kept if series.baseline],
    )


def _bars(kept: Sequence[tuple[Series, StoredPredictions]]) -> Markup:
    tables = [found.confusion() for _, found in kept]
    shares, intervals = zip(*map(recalls, tables))
    series = [each for each, _ in kept]
    return class_bars(kept[0][1].classes, shares, intervals, series, tables[0].sum(axis=1))


def _of_tables(group: Group) -> Markup:
    """Draws the average precisions that a multi-label task lists for its classes."""
    tables = [entry.content["metrics"][_PER_CLASS] for _, entry in group]
    names = [str(row["name"]) for row in tables[0]]
    shares = []
    for table in tables:
        found = {str(row["name"]): row["ap"] for row in table}
        values = [found.get(name) for name in names]
        shares.append(np.array([np.nan if value is None else value for value in values], float))
    series = [each for each, _ in group]
    positives = np.array([row["positives"] for row in tables[0]])
    bars = class_bars(names, shares, [None] * len(shares), series, positives)
    return _figures("Average precision of each class", series, "", bars)


def _figures(
    title: str,
    series: Sequence[Series],
    said: str,
    bars: Markup,
    trained: Sequence[Markup] = (),
    baselines: Sequence[Markup] = (),
) -> Markup:
    return document.render(
        "classes.html",
        title=title,
        names=[each.name for each in series],
        said=said,
        bars=bars,
        trained=trained,
        baselines=baselines,
    )
