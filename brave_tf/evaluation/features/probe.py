"""What a protocol is given, a frozen backbone and its view, and what it answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from brave_tf.interop.models import Source

MODALITIES = ("rgb", "flow", "audio")

Embed = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Probe:
    """A frozen backbone under evaluation.

    Attributes:
      view_name: the name of its view in the recipe.
      view: the `brave_tf.data.views` object that the backbone was trained on.
      is_narrow: whether it is the narrow view of the recipe.
      embed: (B, *window) -> (B, D) float32 in inference mode; the window is that of the view, or
        for video any (T, H, W, C).
      weights: a hash of the backbone's weights.
      step: of these; None when it is not known.
      precision: that it computes in, a policy of Keras.
      strategy: in whose scope it was made; None for one device.
      cache: folder for features that other protocols may use too; None keeps nothing on disk.
      source: where it comes from; None when it was made by hand.
      output: folder of the evaluation's results, for what else a protocol keeps; None for nothing.
    """

    view_name: str
    view: Any
    is_narrow: bool
    embed: Embed
    weights: str = ""
    step: int | None = None
    precision: str = "float32"
    strategy: tf.distribute.Strategy | None = None
    cache: str | None = None
    source: Source | None = None
    output: str | None = None


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
