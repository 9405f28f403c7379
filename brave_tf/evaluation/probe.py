"""What a protocol is given, a frozen backbone and its view, and what it answers."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable

import gin
import tensorflow as tf

from brave_tf.evaluation.part_store import PartStore

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
      scratch: folder for what should survive an interruption, removed when the task is done; None to
        keep nothing.
    """

    view_name: str
    view: Any
    is_narrow: bool
    embed: Embed
    weights: str = ""
    scratch: str | None = None

    def part_store(self, **key: Any) -> PartStore | None:
        """Returns a store for features of these weights in this configuration, None without `scratch`.

        Args:
          **key: plain JSON values on which the features depend besides.
        """
        if self.scratch is None:
            return None
        return PartStore(self.scratch, {"weights": self.weights, "gin": gin.config_str(), **key})


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a protocol measured.

    Attributes:
      metrics: name -> fraction in [0, 1], or [low, high] for an interval.
      clips: `train` and `test`, the clips used, and `missing`, those of both splits that could not
        be used (without label, or without the modality).
      settings: every choice that the numbers depend on, as plain JSON values.
    """

    metrics: dict[str, Any]
    clips: dict[str, int]
    settings: dict[str, Any]
