"""What a protocol answers: metrics, and what was said of each test clip."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What was said of each test clip.

    Attributes:
      keys: (clips,) str, see `windows.clip_key`.
      labels: (clips,) int64, or (clips, classes) bool where clips have several.
      paths: (clips,) str, the files that the clips come from.
      decisions: (clips, classes) float32, higher for likelier classes.
      classes: (classes,) str, their names.
      neighbours: (clips, k) str, keys of the training clips of nearest features, the nearest first.
      similarities: (clips, k) float32, the cosines of these.
      neighbour_labels: (clips, k) int64, their labels.
      split: (clips,) int64, the official split, from 1, that each row is of.
    """

    keys: np.ndarray
    labels: np.ndarray
    paths: np.ndarray
    decisions: np.ndarray | None = None
    classes: np.ndarray | None = None
    neighbours: np.ndarray | None = None
    similarities: np.ndarray | None = None
    neighbour_labels: np.ndarray | None = None
    split: np.ndarray | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns those that there are, by name."""
        every = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: array for name, array in every.items() if array is not None}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a protocol measured.

    Attributes:
      metrics: name -> number, a fraction in [0, 1] unless its name says otherwise; `<name>_ci95` ->
        [low, high]; or a list of what it is made of, such as `splits`. The main metric comes first.
      clips: `train` and `test`, the clips used, and `missing`, those of both splits that could not
        be used (without label, or without the modality).
      settings: every choice that the numbers depend on, as plain JSON values.
      predictions: of each test clip, where the protocol makes any.
      per_clip: metric -> (clips,) float, its value for each clip of `predictions`, where it is their mean.
    """

    metrics: dict[str, Any]
    clips: dict[str, int]
    settings: dict[str, Any]
    predictions: Predictions | None = None
    per_clip: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
