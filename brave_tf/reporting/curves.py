"""The scalars in TensorBoard's event files."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.scalar.metadata import PLUGIN_NAME
from tensorboard.util import tensor_util


@dataclasses.dataclass(frozen=True)
class Curve:
    """A scalar over the steps of a run.

    Attributes:
      steps: (points,) int64, rising.
      values: (points,) float64; may hold what is no number.
    """

    steps: np.ndarray
    values: np.ndarray


def read_curves(folder: pathlib.Path) -> dict[str, dict[str, Curve]]:
    """Reads the event files of a run.

    Args:
      folder: with a sub-folder for each kind of measurement, such as `train` and `held_out`.

    Returns:
      Sub-folder -> tag -> curve, both sorted; empty where there are no scalars. Of a step that was written
      twice, in a run that was resumed, the later value counts. An event that was cut short ends its file.
    """
    found = {}
    for sub_folder in sorted({path.parent for path in folder.rglob("events.out.tfevents.*")}):
        points: dict[str, dict[int, float]] = {}
        for path in sorted(sub_folder.glob("events.out.tfevents.*")):
            _read(path, points)
        name = sub_folder.relative_to(folder).as_posix()
        curves = {tag: _curve(points[tag]) for tag in sorted(points)}
        if curves:
            found[name] = curves
    return found


def _read(path: pathlib.Path, points: dict[str, dict[int, float]]) -> None:
    plugins: dict[str, str] = {}
    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            # Only the first value of a tag says what kind it is.
            plugin = value.metadata.plugin_data.plugin_name
            if plugins.setdefault(value.tag, plugin) == PLUGIN_NAME:
                number = float(tensor_util.make_ndarray(value.tensor))
                points.setdefault(value.tag, {})[event.step] = number


def _curve(points: dict[int, float]) -> Curve:
    steps = sorted(points)
    return Curve(np.array(steps, np.int64), np.array([points[step] for step in steps], float))
