"""The results file of evaluations, and its table."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from typing import Any

from brave_tf.errors import UserError

FORMAT = 1
FILE_NAME = "results.json"
COLUMNS = ("task", "view", "step", "baseline", "top-1 %", "95 % interval", "top-5 %", "train clips")
COLUMNS += ("test clips", "missing", "seconds")


@dataclasses.dataclass(frozen=True)
class Result:
    """One task's result for one backbone; the fields are those of an entry of `results.json`.

    Attributes:
      task: name of the task.
      model: folder of the run or of the exported model.
      view: name of the view whose backbone was probed.
      step: training step of the weights; None when it is not known, 0 for a baseline.
      baseline: None, or `random` for the random initialisation.
      metrics: name -> fraction in [0, 1] (`top1`, `top5`) or [low, high] (`top1_ci95`).
      clips: `train`, `test`, `missing`.
      seconds: how long it took.
      settings: every choice that the numbers depend on.
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


def load_results(folder: str) -> list[dict[str, Any]]:
    """Returns the entries of `folder/results.json`; none when there is no such file.

    Raises:
      UserError: when the file is not one that this module wrote.
    """
    path = pathlib.Path(folder) / FILE_NAME
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text())
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {FORMAT}")
        for entry in content["results"]:
            _key(entry)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} holds no evaluation results that can be added to ({error!r}): move it away, or "
            "choose another --output."
        ) from error
    return content["results"]


def save_result(folder: str, result: Result) -> None:
    """Adds `result` to `folder/results.json`, in place of that of the same task, model, view,
    baseline and step."""
    entry = dataclasses.asdict(result)
    kept = [other for other in load_results(folder) if _key(other) != _key(entry)]
    path = pathlib.Path(folder) / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    aside.write_text(json.dumps({"format": FORMAT, "results": [*kept, entry]}, indent=2) + "\n")
    os.replace(aside, path)


def table(results: list[Result]) -> str:
    """Returns the results as an aligned text table with a header."""
    rows = [COLUMNS, *map(_row, results)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def _key(entry: dict[str, Any]) -> tuple:
    model = os.path.realpath(entry["model"])
    return (entry["task"], model, entry["view"], entry["baseline"], entry["step"])


def _row(result: Result) -> tuple[str, ...]:
    low, high = result.metrics["top1_ci95"]
    return (
        result.task,
        result.view,
        "-" if result.step is None else str(result.step),
        result.baseline or "-",
        f"{100 * result.metrics['top1']:.1f}",
        f"{100 * low:.1f} - {100 * high:.1f}",
        f"{100 * result.metrics['top5']:.1f}",
        str(result.clips["train"]),
        str(result.clips["test"]),
        str(result.clips["missing"]),
        f"{result.seconds:.0f}",
    )
