"""The results file of evaluations, and its table."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from brave_tf.errors import UserError
from brave_tf.evaluation.features.identity import Identity
from brave_tf.evaluation.protocols.outcome import Predictions
from brave_tf.storage import files, json_values
from brave_tf.storage.json_values import MappingOf, Optional, count, number, text
from brave_tf.storage.locks import locked

FORMAT = 1
FILE_NAME = "results.json"
PREDICTIONS = "predictions"
INTERVAL = "_ci95"
_KEPT = (
    "Results that are there are kept, and so are features. Free space on that disk or check its permissions, "
    "then start the same command again: it goes on from there."
)
# Metrics that are no fractions -> digits shown of them.
PLAIN = {"d_prime": 2, "classes_without_positives": 0}
_ENTRY = {
    "task": text,
    "model": json_values.path,
    "view": text,
    "step": Optional(count),
    "baseline": Optional(text),
    "metrics": {
        "splits": Optional([{}]),
        "classes": Optional(
            [{"name": json_values.path, "ap": Optional(number), "positives": count}]
        ),
    },
    "clips": MappingOf(count),
    "seconds": number,
    "settings": {"data": Optional(json_values.path), "test_split": Optional(text)},
    "predictions": Optional(json_values.path),
    "identity": Optional(MappingOf(Optional(text))),
}


@dataclasses.dataclass(frozen=True)
class Result:
    """One task's result for one backbone; the fields are those of an entry of `results.json`.

    Attributes:
      task: name of the task.
      model: what it is called: folder of the run or of the exported model, or `module:name` of a function.
      view: name of the view whose backbone was probed.
      step: training step of the weights; None when it is not known, 0 for a baseline.
      baseline: None, or `random` for the random initialisation.
      metrics: name -> number, or [low, high] under `<name>_ci95`, or a list; see `Outcome`.
      clips: `train`, `test`, `missing`.
      seconds: how long it took.
      settings: every choice that the numbers depend on.
      predictions: the file with those of each test clip, from the folder of `results.json`; or None.
      identity: by which another model, other data and other settings are told; None in results of versions
        that did not know it.
    """

    task: str
    model: str
    view: str
    step: int | None
    baseline: str | None
    metrics: dict[str, Any]
    clips: dict[str, int]
    seconds: float
    settings: dict[str, Any]
    predictions: str | None = None
    identity: Identity | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Result:
        """Returns the result of an entry of `results.json`; what later versions have added is left out."""
        fields = {field.name for field in dataclasses.fields(cls)}
        identity = entry.get("identity")
        known = {name: value for name, value in entry.items() if name in fields}
        return cls(**{**known, "identity": identity and Identity(**identity)})


def load_results(folder: str) -> list[dict[str, Any]]:
    """Returns the entries of `folder/results.json`; none when there is no such file.

    Raises:
      UserError: when the file is not one that this module wrote.
    """
    path = pathlib.Path(folder) / FILE_NAME
    if not path.exists():
        return []
    try:
        content = files.read_json(path)
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {FORMAT}")
        json_values.check(content["results"], [_ENTRY], "results")
        for entry in content["results"]:
            _check_metrics(entry["metrics"])
            if entry.get("identity") is not None:
                Identity(**entry["identity"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} holds no evaluation results that can be read or added to ({error!r}): move it away, or "
            "evaluate into another --output."
        ) from error
    return content["results"]


def _check_metrics(metrics: Mapping[str, Any]) -> None:
    """Raises ValueError for metrics that lack a main one or hold neither numbers nor intervals."""
    found = scalars(metrics)
    json_values.check(found, MappingOf(number), "metrics")
    if not found:
        raise ValueError("metrics has no number")
    for name in found:
        interval = metrics.get(name + INTERVAL)
        json_values.check(interval, Optional([number]), name + INTERVAL)
        if interval is not None and len(interval) != 2:
            raise ValueError(f"{name + INTERVAL} has {len(interval)} ends, expected 2")
    for split in metrics.get("splits") or ():
        json_values.check(split, {next(iter(found)): number}, "splits")


def save_result(folder: str, result: Result, predictions: Predictions | None = None) -> Result:
    """Adds a result to `folder/results.json`, in place of that of the same key.

    The key is what was measured on which data: task, view, baseline, step, name and weights of the model,
    precision and data. Results without an identity have none of the last three.

    Args:
      folder: made if it is not there.
      result: without `predictions`.
      predictions: of the test clips, written to a file that is named after the key.

    Returns:
      The result, with the name of that file.

    Raises:
      NotWrittenError: it cannot be written; what was there is left as it is.
      UserError: the file holds something else.
    """
    path = pathlib.Path(folder) / FILE_NAME
    with files.told(path, _KEPT):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Others may be evaluated at the same time. A file of predictions belongs to what is beside it.
        with locked(f"{path}.lock"):
            key = _key(dataclasses.asdict(result))
            kept = [other for other in load_results(folder) if _key(other) != key]
            if predictions is not None:
                name = save_predictions(folder, result, predictions)
                result = dataclasses.replace(result, predictions=name)
            entry = dataclasses.asdict(result)
            files.write_json(path, {"format": FORMAT, "results": [*kept, entry]})
    return result


def save_predictions(folder: str, result: Result, predictions: Predictions) -> str:
    """Writes the predictions of a result, which name it; returns the path of the file from `folder`.

    Raises:
      NotWrittenError: it cannot be written.
    """
    entry = dataclasses.asdict(result)
    of = result.baseline or ("unknown" if result.step is None else result.step)
    digest = hashlib.sha256(repr(_key(entry)).encode()).hexdigest()[:12]
    name = f"{result.task}-{result.view}-{of}-{digest}.npz".replace("/", "-")
    path = pathlib.Path(folder) / PREDICTIONS / name
    arrays = {**predictions.arrays(), "result": np.array(json.dumps(owner(entry)))}
    with files.told(path, _KEPT):
        files.write_arrays(path, arrays, compressed=True)
    return path.relative_to(folder).as_posix()


def owner(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a file of predictions says of the result that it belongs to, from the result's entry."""
    identity = entry.get("identity") or {}
    names = ("task", "view", "step", "baseline")
    return {
        **{name: entry[name] for name in names},
        **{name: identity.get(name) for name in ("weights", "precision", "data", "settings")},
    }


def scalars(metrics: dict[str, Any]) -> dict[str, float]:
    """Returns the metrics that are numbers, the main one first."""
    return {name: value for name, value in metrics.items() if isinstance(value, (int, float))}


def tables(results: Sequence[Result]) -> str:
    """Returns the results as aligned text tables with headers, one for all that have the same metrics.

    Below a mean over official splits stand these.
    """
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(tuple(scalars(result.metrics)), []).append(result)
    return "\n\n".join(_table(group, metrics) for metrics, group in groups.items())


def _table(results: Sequence[Result], metrics: tuple[str, ...]) -> str:
    header = ("task", "view", "step", "baseline", *map(_heading, metrics))
    header += ("train clips", "test clips", "missing", "seconds")
    rows = [header, *(row for result in results for row in _rows(result, metrics))]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def _key(entry: dict[str, Any]) -> tuple:
    model = os.path.realpath(entry["model"])
    identity = entry.get("identity") or {}
    measured = (identity.get(name) for name in ("weights", "precision", "data"))
    return (entry["task"], model, entry["view"], entry["baseline"], entry["step"], *measured)


def _rows(result: Result, metrics: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    step = "-" if result.step is None else str(result.step)
    names = (result.task, result.view, step, result.baseline or "-")
    yield (*names, *_cells(result.metrics, metrics, result.clips), f"{result.seconds:.0f}")
    for place, split in enumerate(result.metrics.get("splits") or (), start=1):
        yield (f"  split {place}", "", "", "", *_cells(split, metrics, split["clips"]), "")


def _cells(
    found: Mapping[str, Any], metrics: tuple[str, ...], clips: Mapping[str, int]
) -> tuple[str, ...]:
    counts = (str(clips.get(name, "")) for name in ("train", "test", "missing"))
    return (*(_cell(found, name) for name in metrics), *counts)


def _heading(metric: str) -> str:
    return metric if metric in PLAIN else f"{metric} %"


def _cell(metrics: dict[str, Any], name: str) -> str:
    """The value and its interval, such as `62.5 [50.0, 75.0]`; empty where a split has no such metric."""
    if name not in metrics:
        return ""
    factor, digits = (1, PLAIN[name]) if name in PLAIN else (100, 1)
    value = f"{factor * metrics[name]:.{digits}f}"
    if name + INTERVAL not in metrics:
        return value
    low, high = (f"{factor * end:.{digits}f}" for end in metrics[name + INTERVAL])
    return f"{value} [{low}, {high}]"
