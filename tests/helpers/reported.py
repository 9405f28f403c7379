"""Folders of runs with results, predictions and event files, as the other commands leave them."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from brave_tf.evaluation import results


def result(task: str, top1: float, **changes: Any) -> dict[str, Any]:
    """Returns an entry of results.json."""
    entry = {
        "task": task,
        "model": "runs/a",
        "view": "narrow",
        "step": 6,
        "baseline": None,
        "metrics": {"top1": top1, "top5": 1.0, "top1_ci95": [top1 - 0.05, top1 + 0.05]},
        "clips": {"train": 12, "test": 8, "missing": 1},
        "seconds": 3.2,
        "settings": {},
        "predictions": None,
    }
    return {**entry, **changes}


def identity(**changes: str | None) -> dict[str, str | None]:
    """Returns the identity of an entry."""
    of = {"weights": "aa", "precision": "float32", "data": "bb", "settings": "cc", "run": None}
    return {**of, **changes}


def write_results(folder: pathlib.Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Writes results.json."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"format": results.FORMAT, "results": list(entries)}
    (folder / results.FILE_NAME).write_text(json.dumps(content))


def write_run(
    folder: pathlib.Path, entries: Sequence[Mapping[str, Any]] = (), recipe: str | None = None
) -> pathlib.Path:
    """Writes `config.gin` and, if there are any, results."""
    folder.mkdir(parents=True)
    (folder / "config.gin").write_text(f"RECIPE = '{recipe}'\n" if recipe else "")
    if entries:
        write_results(folder / "eval", entries)
    return folder


def write_scalars(folder: pathlib.Path, tags: Mapping[str, Mapping[int, float]]) -> None:
    """Writes an event file."""
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for tag, points in tags.items():
            for step, value in points.items():
                tf.summary.scalar(tag, value, step)
    writer.close()


def write_predictions(path: pathlib.Path, labels: Sequence[int], predicted: Sequence[int], **more):
    """Writes predictions of 3 classes of which the second has markup in its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        keys=np.array([f"test/{index}" for index in range(len(labels))]),
        labels=np.array(labels, np.int64),
        decisions=np.eye(3, dtype=np.float32)[list(predicted)],
        classes=np.array(["cat", "<b>dog", "eel"]),
        **more,
    )
