"""What a report shows of classes: which are recognised, and which are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brave_tf.pages.svg import escape
from brave_tf.reporting.predictions import StoredPredictions, read_predictions, recalls
from brave_tf.reporting.result_charts import Series, class_bars, confusion_matrix, count
from brave_tf.reporting.runs import Entry, Run
from brave_tf.reporting.tables import percent, series_name

Group = Sequence[tuple[Series, Entry]]

_CONFUSIONS = 8
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


def class_figures(group: Group) -> str:
    """Draws bars of the classes and confusion matrices of the results of a task, where they were kept."""
    kept = []
    for series, entry in group:
        found = _predictions(entry)
        if found:
            kept.append((series, found))
    tables = [each for each in group if each[1].content["metrics"].get(_PER_CLASS)]
    if not kept:
        return _of_tables(tables) if tables else ""
    # One chart compares results of the same classes only.
    kept = [each for each in kept if each[1].classes == kept[0][1].classes]
    ours = "".join(_confusions(*each) for each in kept if not each[0].baseline)
    others = "".join(_confusions(*each) for each in kept if each[0].baseline)
    if others and ours:
        others = f"<details><summary>Confusions of baselines</summary>{others}</details>"
    return f'<div class="flow">{_bars(kept)}{ours}{others}</div>'


def _bars(kept: Sequence[tuple[Series, StoredPredictions]]) -> str:
    tables = [found.confusion() for _, found in kept]
    shares, intervals = zip(*map(recalls, tables))
    series = [each for each, _ in kept]
    chart = class_bars(kept[0][1].classes, shares, intervals, series, tables[0].sum(axis=1))
    return _figure("Accuracy of each class", series, "With 95 % intervals (Wilson).", chart)


def _of_tables(group: Group) -> str:
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
    chart = class_bars(names, shares, [None] * len(shares), series, positives)
    figure = _figure("Average precision of each class", series, "", chart)
    return f'<div class="flow">{figure}</div>'


def _figure(title: str, series: Sequence[Series], said: str, chart: str) -> str:
    if len(series) > 1:
        said = f"Each class from above: {'; '.join(each.name for each in series)}. {said}"
    return f'<figure><h3>{title}</h3><p class="muted">{escape(said)}</p>{chart}</figure>'


def _confusions(series: Series, found: StoredPredictions) -> str:
    cells = found.confusion()
    used = np.flatnonzero(cells.sum(axis=0) + cells.sum(axis=1))
    cells, names = cells[np.ix_(used, used)], [found.classes[index] for index in used]
    accuracy = percent(np.trace(cells) / cells.sum())
    return (
        f'<figure><h3>Confusions <small>{escape(series.name)}</small></h3><p class="muted">{accuracy} % of '
        f"{count(cells.sum())} clips right. Rows are the right classes, columns what was predicted; a "
        f"cell is as dark as its share of the row.</p>{confusion_matrix(cells, names)}"
        f"{_mistakes(cells, names)}</figure>"
    )


def _mistakes(cells: np.ndarray, names: Sequence[str]) -> str:
    """Lists which classes are most often taken for which."""
    wrong = cells - np.diag(np.diag(cells))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    items = [
        f"<li>{escape(names[right])} taken for {escape(names[predicted])}: "
        f"{count(wrong[right, predicted])} of {count(cells[right].sum())}</li>"
        for right, predicted in zip(*np.unravel_index(order, wrong.shape))
        if wrong[right, predicted]
    ]
    if not items:
        return ""
    return f"<details><summary>Most frequent mistakes</summary><ol>{''.join(items)}</ol></details>"
