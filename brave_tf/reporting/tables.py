"""Tables of a report as rows of texts, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from brave_tf.evaluation.results import PLAIN
from brave_tf.reporting.known_results import CHECKPOINTS, COLUMNS, PEERS, Published, paper_row
from brave_tf.reporting.runs import Entry, Run

NONE = "–"
# What Markdown gives a meaning to within a line, HTML and entities among it; an underscore within a word
# has none.
_MARKUP = re.compile(r"[\\`*\[\]<>&|~#$]|(?<!\w)_|_(?!\w)|(?<=:)/(?=/)|(?<=www)\.|@")
_HEAD = ("run", "task", "view", "weights", "step", "metric", "value", "95 % interval", "others")
_HEAD += ("train clips", "test clips", "missing", "seconds")


def paper_rows(runs: Sequence[Run]) -> list[Published]:
    """Returns the rows of the paper's tables that the recipes of runs are."""
    recipes = dict.fromkeys(run.recipe for run in runs if run.recipe)
    return [row for row in map(paper_row, recipes) if row]


def comparison(runs: Sequence[Run]) -> tuple[list[list[str]], int]:
    """Puts results beside the paper's, the published checkpoints' and other methods', in per cent.

    Returns:
      A head and rows; and how many of the rows are our own, which come first. No rows when there is neither
      a result of a task nor a recipe of the paper's tables.
    """
    papers = paper_rows(runs)
    ours = [row for run in runs for row in _own_rows(run)]
    reported = {column for _, cells in ours for column in cells}
    reported |= {column for row in papers for column in row.figures}
    columns = [column for column in COLUMNS.values() if column in reported]
    if not columns:
        return [], 0
    rows = [["", "backbones, data", *columns]]
    rows += [[name, "", *(cells.get(c, NONE) for c in columns)] for name, cells in ours]
    # A run of another method's recipe has that method's row already.
    shown = {row.details for row in papers}
    others = [row for row in PEERS if f"{row.name}, {row.details}" not in shown]
    for published in (*papers, *CHECKPOINTS, *others):
        figures = [published.figures.get(column, NONE) for column in columns]
        if set(figures) != {NONE}:
            rows.append([published.name, published.details, *figures])
    return rows, len(ours)


def all_results(runs: Sequence[Run]) -> list[list[str]]:
    """Returns a head and a row for the last step of each run, task, view, baseline and precision."""
    return [list(_HEAD), *(_result_row(run, entry) for run in runs for entry in run.latest())]


def series_name(run: Run, entry: Entry) -> str:
    """Names a run, or its baseline, and the precision where that is not the full one."""
    return ", ".join(filter(None, (run.name, entry.baseline, entry.precision)))


def percent(value: float) -> str:
    """Returns a fraction as per cent with one decimal."""
    return f"{100 * value:.1f}"


def interval(entry: Entry) -> str:
    """Returns the 95 % interval in per cent."""
    return "–".join(map(percent, entry.interval)) if entry.interval else NONE


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows, the first of which is the head, as a table in Markdown."""
    head, *body = (list(map(plain, row)) for row in rows)
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def plain(text: str) -> str:
    """Returns text as Markdown on one line that shows it as it is: no markup, links or HTML."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def _own_rows(run: Run) -> list[tuple[str, dict[str, str]]]:
    """Returns (name, column -> figure) for the run and its baselines; the run itself even without any."""
    cells: dict[str, dict[str, str]] = {run.name: {}}
    # Where a task was run on several views, the narrow one's result is the paper's kind.
    for entry in sorted(run.latest(), key=lambda entry: entry.view != "narrow"):
        if entry.task in COLUMNS:
            figure = percent(entry.value)
            figure += f" ({interval(entry)})" if entry.interval else ""
            cells.setdefault(series_name(run, entry), {}).setdefault(COLUMNS[entry.task], figure)
    return list(cells.items())


def _result_row(run: Run, entry: Entry) -> list[str]:
    main = entry.main_metric
    others = [f"{n} {_shown(n, v)}" for n, v in entry.metrics.items() if n != main]
    splits = enumerate(entry.content["metrics"].get("splits") or (), start=1)
    others += [f"split {number} {_shown(main, split[main])}" for number, split in splits]
    clips = entry.content["clips"]
    return [
        run.name,
        entry.title,
        entry.view,
        ", ".join(filter(None, (entry.baseline or "trained", entry.precision))),
        NONE if entry.step is None else f"{entry.step:,}",
        main,
        _shown(main, entry.value),
        interval(entry),
        ", ".join(others) or NONE,
        *(f"{clips[name]:,}" for name in ("train", "test", "missing")),
        f"{entry.content['seconds']:,.0f}",
    ]


def _shown(name: str, value: float) -> str:
    return f"{value:.{PLAIN[name]}f}" if name in PLAIN else percent(value)
