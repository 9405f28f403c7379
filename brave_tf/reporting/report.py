"""The report on runs: one HTML page that needs nothing else, and tables in Markdown."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import gin

from brave_tf.config import load_config
from brave_tf.configuration import model_config
from brave_tf.configuration.gin_statements import RECIPE_DIR
from brave_tf.errors import message
from brave_tf.pages import document
from brave_tf.reporting import tables
from brave_tf.reporting.classes import Group, by_task, chance, class_figures
from brave_tf.reporting.known_results import CHECKPOINTS, COLUMNS
from brave_tf.reporting.learning import learning_curves
from brave_tf.reporting.neighbours import neighbour_figures
from brave_tf.reporting.result_charts import Value, interval_chart
from brave_tf.reporting.runs import Run
from brave_tf.storage import files
from brave_tf.training import config_changes
from brave_tf.training.recipe import CONFIG_FILE

PAGE, TABLES = "index.html", "report.md"
_NO_RESULTS = "None yet: brave_tf_eval --task=... --model_dir=... adds them."


def write_report(runs: Sequence[Run], output: str) -> None:
    """Writes the page and the tables, the same ones for the same runs.

    Args:
      runs: one or more.
      output: folder, which is made if it is not there.

    Raises:
      OSError: they cannot be written.
    """
    folder = pathlib.Path(output)
    with files.replacing(folder / PAGE) as aside:
        document.write(str(aside), "report.html", **_contents(runs))
    with files.replacing(folder / TABLES) as aside:
        aside.write_text(as_markdown(runs), encoding="utf-8", errors="replace")


def as_markdown(runs: Sequence[Run]) -> str:
    """Returns the tables of the report in Markdown."""
    compared, _ = tables.comparison(runs)
    parts = ["# " + tables.plain(", ".join(run.name for run in runs))]
    parts += [tables.plain(f"{run.name}: {_origin(run)}") for run in runs]
    if compared:
        parts += ["## Beside the paper", tables.markdown(compared)]
    rows = tables.all_results(runs)
    parts += ["## All results", tables.markdown(rows) if len(rows) > 1 else _NO_RESULTS]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _contents(runs: Sequence[Run]) -> dict[str, object]:
    """Returns what the template shows."""
    groups = by_task(runs)
    compared, ours = tables.comparison(runs)
    rows = tables.all_results(runs)
    classes = ((", ".join(key), class_figures(group)) for key, group in groups.items())
    return {
        "title": f"Runs: {', '.join(run.name for run in runs)}",
        "runs": [
            {"name": run.name, "origin": _origin(run), "changes": _changes(run)} for run in runs
        ],
        "results": _results(runs, groups),
        "no_results": _NO_RESULTS,
        "comparison": document.table(compared, range(1, ours + 1)) if compared else None,
        "all_results": document.table(rows) if len(rows) > 1 else None,
        "curves": learning_curves(runs),
        "classes": ((title, figures) for title, figures in classes if figures),
        "neighbours": neighbour_figures(runs),
    }


def _origin(run: Run) -> str:
    """Says where the run is, which row of the paper's tables its recipe is, and what is not shown of it."""
    said = f"{run.folder}, of none of the recipes"
    if run.recipe is not None:
        row = next(iter(tables.paper_rows([run])), None)
        said = f"{run.folder}, recipe {run.recipe}" + (f" ({row.details})" if row else "")
    if run.left_out:
        said += f"; {run.left_out} results there are of other models and are left out"
    return said


def _changes(run: Run) -> list[str]:
    if not tables.paper_rows([run]):
        return []
    try:
        # By its path: in the working directory may be something else of this name.
        load_config([str(RECIPE_DIR / f"{run.recipe}.gin")])
        recipe = gin.config_str()
        own = model_config.source_of(run.folder / CONFIG_FILE).text
        return list(map(str, config_changes.changes(recipe, own)))
    except (SyntaxError, ImportError, ValueError) as error:
        return [f"not known: {message(error)}"]


def _results(
    runs: Sequence[Run], groups: Mapping[tuple[str, str], Group]
) -> list[dict[str, object]]:
    shown = []
    for (title, view), group in groups.items():
        metric = group[0][1].main_metric
        values = [
            Value(series.name, entry.value, entry.interval, series.colour, not series.baseline)
            for series, entry in group
            if entry.main_metric == metric
        ]
        values += _published(runs, group[0][1].task)
        chart = interval_chart(values, f"{metric} of {title}, {view}", chance(group))
        shown.append({"title": title, "metric": metric, "view": view, "chart": chart})
    return shown


def _published(runs: Sequence[Run], task: str) -> list[Value]:
    """Returns what the paper's rows of the runs' recipes, and the published checkpoints, reach on a task."""
    column = COLUMNS.get(task)
    rows = [(row.name, row) for row in tables.paper_rows(runs)]
    rows += [(f"DeepMind {row.details}", row) for row in CHECKPOINTS]
    return [
        Value(name, float(row.figures[column]) / 100) for name, row in rows if column in row.figures
    ]
