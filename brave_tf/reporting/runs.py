"""Runs with everything that a report shows of them."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from brave_tf.configuration import model_config, recipe_header
from brave_tf.errors import UserError
from brave_tf.evaluation import results
from brave_tf.interop.models import FULL_PRECISION
from brave_tf.reporting.curves import Curve, read_curves
from brave_tf.reporting.ownership import Model
from brave_tf.training.recipe import CONFIG_FILE
from brave_tf.training.resumption import TENSORBOARD

_ANY_FOLDER = "folder/"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One result of a run.

    Attributes:
      content: the entry of results.json.
      folder: of that file.
      data_name: of what it was run on, where the task does not tell.
    """

    content: dict[str, Any]
    folder: pathlib.Path
    data_name: str | None = None

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.content["task"]

    @property
    def title(self) -> str:
        """The task, and what it was run on if that is not the same each time."""
        if not self.data_name:
            return self.task
        split = self.content["settings"].get("test_split")
        split = split if self.task.startswith(_ANY_FOLDER) else None
        return f"{self.task} ({', '.join(filter(None, (self.data_name, split)))})"

    @property
    def data(self) -> str | None:
        """The hash of the data, None where it is not known."""
        return (self.content.get("identity") or {}).get("data")

    @property
    def precision(self) -> str | None:
        """What the model computed in, None for full precision, or where it is not known."""
        found = (self.content.get("identity") or {}).get("precision")
        return None if found == FULL_PRECISION else found

    @property
    def view(self) -> str:
        """Name of the view."""
        return self.content["view"]

    @property
    def step(self) -> int | None:
        """Training step of the weights, None where it is not known."""
        return self.content["step"]

    @property
    def baseline(self) -> str | None:
        """`random`, `supervised`, or None for the model itself."""
        return self.content["baseline"]

    @property
    def metrics(self) -> dict[str, float]:
        """Name -> value of the metrics that are one number, the main one first."""
        return results.scalars(self.content["metrics"])

    @property
    def main_metric(self) -> str:
        """Name of the first metric."""
        return next(iter(self.metrics))

    @property
    def value(self) -> float:
        """The main metric, a fraction."""
        return self.metrics[self.main_metric]

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the main metric, None where there is none."""
        found = self.content["metrics"].get(self.main_metric + results.INTERVAL)
        return tuple(found) if found else None

    @property
    def predictions(self) -> pathlib.Path | None:
        """The file of the predictions, None where there is none (any more) in the folder."""
        name = self.content.get("predictions")
        path = self.folder / name if isinstance(name, str) and name else None
        inside = path and self.folder.resolve() in path.resolve().parents
        return path if inside and os.path.isfile(path) else None


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, or an exported model.

    Attributes:
      name: that tells it from the other runs.
      folder: of it.
      recipe: name of the recipe that it was made by, None where nobody knows.
      entries: its results, by task, view, baseline and step.
      curves: see `read_curves`; empty without event files.
      left_out: how many results in its folder are of other models, such as one that was there before.
    """

    name: str
    folder: pathlib.Path
    recipe: str | None
    entries: Sequence[Entry]
    curves: dict[str, dict[str, Curve]]
    left_out: int = 0

    def latest(self) -> list[Entry]:
        """Returns the results of the last step of each task and what it was run on, view, baseline and
        precision; of the same step the one that was written last."""
        last = {(e.title, e.view, e.baseline, e.precision): e for e in self.entries}
        return list(last.values())


def load_runs(folders: Sequence[str]) -> list[Run]:
    """Reads runs.

    Args:
      folders: each that of a run that `brave_tf_train` wrote, of a model that `brave_tf_export` or
        `brave_tf_import` wrote, or of several such folders, beside which results may lie in `eval`.

    Raises:
      UserError: a folder is none of these, or its results cannot be read.
    """
    found: dict[str, tuple[pathlib.Path, pathlib.Path]] = {}
    for given in map(pathlib.Path, folders):
        for folder in _run_folders(given):
            found.setdefault(os.path.realpath(folder), (folder, given))
    names = _names([pathlib.Path(path) for path in found])
    runs = _with_data_names([_load(name, *each) for name, each in zip(names, found.values())])
    # Among the folders beside each other, models that were exported have nothing to show.
    return [run for run in runs if run.entries or run.curves] or runs


def _run_folders(given: pathlib.Path) -> list[pathlib.Path]:
    if (given / CONFIG_FILE).is_file():
        return [given]
    inside = sorted(path.parent for path in given.glob(f"*/{CONFIG_FILE}"))
    if not inside:
        raise UserError(
            f"{given} holds no run: neither {given / CONFIG_FILE} nor {given / '*' / CONFIG_FILE} was "
            "found. Give folders that brave_tf_train, brave_tf_export or brave_tf_import wrote."
        )
    return inside


def _load(name: str, folder: pathlib.Path, given: pathlib.Path) -> Run:
    text = model_config.read_text(folder / CONFIG_FILE)
    model, curves = Model(folder), read_curves(folder / TENSORBOARD)
    own = list(_entries(folder))
    entries = [entry for entry in own if model.owns(entry.content, beside=False)]
    left_out = len(own) - len(entries)
    if given != folder:
        entries += [entry for entry in _entries(given) if model.owns(entry.content, beside=True)]
    return Run(name, folder, recipe_header.recipe_of(text), entries, curves, left_out)


def _entries(folder: pathlib.Path) -> Iterator[Entry]:
    for file in _result_files(folder):
        yield from (Entry(content, file) for content in results.load_results(str(file)))


def _with_data_names(runs: Sequence[Run]) -> list[Run]:
    """Names the data of tasks on any folder, with a part of its hash where one name stands for several."""
    hashes: dict[tuple[str, str], set[str]] = {}
    for entry in (entry for run in runs for entry in run.entries if entry.data):
        hashes.setdefault(_label(entry), set()).add(entry.data)

    def named(entry: Entry) -> Entry:
        data, label = pathlib.Path(entry.content["settings"].get("data") or "").name, _label(entry)
        if entry.data and len(hashes[label]) > 1:
            return dataclasses.replace(entry, data_name=f"{data} {entry.data[:8]}".strip())
        return dataclasses.replace(entry, data_name=label[1] or None)

    return [
        dataclasses.replace(run, entries=sorted(map(named, run.entries), key=_order))
        for run in runs
    ]


def _label(entry: Entry) -> tuple[str, str]:
    """Returns the task, and the name of the data where the task is one on any folder."""
    on_any = entry.task.startswith(_ANY_FOLDER)
    return entry.task, pathlib.Path(entry.content["settings"].get("data") or "").name * on_any


def _result_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders of the results of a folder of runs."""
    evaluations = folder / "eval"
    return [
        folder,
        evaluations,
        *sorted(p.parent for p in evaluations.glob(f"*/{results.FILE_NAME}")),
    ]


def _order(entry: Entry) -> tuple:
    step = -1 if entry.step is None else entry.step
    return entry.title, entry.view, entry.baseline or "", step


def _names(folders: Sequence[pathlib.Path]) -> list[str]:
    """Returns the shortest ends of paths that differ."""
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            break
    return names
