"""The report on runs: one HTML page that needs nothing else, and tables in Markdown."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence

import gin

from brave_tf import files, model_config
from brave_tf.config import load_config
from brave_tf.errors import message
from brave_tf.gin_statements import RECIPE_DIR
from brave_tf.pages import document
from brave_tf.pages.svg import escape
from brave_tf.reporting import tables
from brave_tf.reporting.classes import Group, by_task, chance, class_figures
from brave_tf.reporting.known_results import CHECKPOINTS, COLUMNS
from brave_tf.reporting.learning import learning_curves
from brave_tf.reporting.line_chart import style
from brave_tf.reporting.neighbours import neighbour_figures
from brave_tf.reporting.result_charts import Value, interval_chart
from brave_tf.reporting.runs import Run
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
        document.write(str(aside), f"Runs: {', '.join(run.name for run in runs)}", _parts(runs))
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


def _parts(runs: Sequence[Run]) -> Iterator[str]:
    yield from _runs(runs)
    groups = by_task(runs)
    yield _results(runs, groups)
    yield _comparison(runs)
    rows = tables.all_results(runs)
    if len(rows) > 1:
        yield f"<h2>All results</h2>{document.table(rows)}"
    curves = learning_curves(runs)
    yield f"<h2>Learning curves</h2>{_legend(runs)}"
    yield curves or "<p>There are no event files of TensorBoard in the folders of these runs.</p>"
    yield from _classes(groups)
    yield (
        '<h2>Nearest neighbours</h2><p class="muted">Test clips, spread evenly over the classes, and the '
        "training clips whose features are nearest by cosine: green of the same class, red of another.</p>"
    )
    strips = list(neighbour_figures(runs))
    yield from strips or ["<p>No result kept neighbours: tasks of kNN and retrieval do.</p>"]


def _classes(groups: Mapping[tuple[str, str], Group]) -> Iterator[str]:
    """Yields a part to unfold for each task, the first one open."""
    yield "<h2>Classes</h2>"
    drawn = {key: class_figures(group) for key, group in groups.items()}
    drawn = {key: figures for key, figures in drawn.items() if figures}
    if not drawn:
        yield "<p>No result kept predictions of clips.</p>"
    for number, (key, figures) in enumerate(drawn.items()):
        summary = f"<summary>{escape(', '.join(key))}</summary>"
        yield f"<details{'' if number else ' open'}>{summary}{figures}</details>"


def _runs(runs: Sequence[Run]) -> Iterator[str]:
    for number, run in enumerate(runs):
        changes = _changes(run)
        folded = "".join(f"<li>{escape(change)}</li>" for change in changes)
        if folded:
            folded = (
                f"<details><summary>Differs from the recipe in {len(changes)} bindings (recipe -> run)"
                f"</summary><ul>{folded}</ul></details>"
            )
        key = f'<span class="legend"><i class="{style(number)}"></i></span>'
        yield f"<p>{key}<b>{escape(run.name)}</b>: {escape(_origin(run))}</p>{folded}"


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


def _legend(runs: Sequence[Run]) -> str:
    keys = (
        f'<span><i class="{style(number)}"></i>{escape(run.name)}</span>'
        for number, run in enumerate(runs)
    )
    return (
        f'<p class="legend">{"".join(keys)}</p><p class="muted">Lines: training clips. Faint lines with '
        "dots: held-out clips, or evaluations.</p>"
    )


def _results(runs: Sequence[Run], groups: Mapping[tuple[str, str], Group]) -> str:
    if not groups:
        return f"<h2>Results</h2><p>{_NO_RESULTS}</p>"
    figures = []
    for (title, view), group in groups.items():
        metric = group[0][1].main_metric
        values = [
            Value(series.name, entry.value, entry.interval, series.colour, not series.baseline)
            for series, entry in group
            if entry.main_metric == metric
        ]
        values += _published(runs, group[0][1].task)
        chart = interval_chart(values, f"{metric} of {title}", chance(group))
        details = f"{escape(metric)}, {escape(view)}"
        figures.append(f"<figure><h3>{escape(title)} <small>{details}</small></h3>{chart}</figure>")
    return (
        '<h2>Results</h2><p class="muted">With 95 % intervals. Rings: baselines. Strokes: published.</p>'
        f'<div class="charts">{"".join(figures)}</div>'
    )


def _published(runs: Sequence[Run], task: str) -> list[Value]:
    """Returns what the paper's rows of the runs' recipes, and the published checkpoints, reach on a task."""
    column = COLUMNS.get(task)
    rows = [(row.name, row) for row in tables.paper_rows(runs)]
    rows += [(f"DeepMind {row.details}", row) for row in CHECKPOINTS]
    return [
        Value(name, float(row.figures[column]) / 100) for name, row in rows if column in row.figures
    ]


def _comparison(runs: Sequence[Run]) -> str:
    rows, ours = tables.comparison(runs)
    title = "<h2>Beside the paper</h2>"
    if not rows:
        return f"{title}<p>No run is of a recipe of the paper, or has results on its data sets.</p>"
    return (
        f'{title}<p class="muted">Per cent: top-1, and mean average precision for AudioSet. The '
        "paper's rows of these recipes, the published checkpoints, and other methods in its tables.</p>"
        f"{document.table(rows, range(1, ours + 1))}"
    )
