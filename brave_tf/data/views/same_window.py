"""One window that several views see."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import gin
import tensorflow as tf

from brave_tf.data.records.reader import Clip
from brave_tf.data.views.base import View
from brave_tf.data.views.windows import Window, WindowRule, require_one_kind


@gin.configurable
@dataclasses.dataclass(frozen=True)
class SameWindow(WindowRule):
    """Has views see the same window of a clip, each with crops and augmentations of its own.

    With a `probability` below 1 a coin says for each clip whether they do, or have the windows that they
    would have without the rule (CoCLR: half of the clips; bind `sync = False` for those to differ).

    Attributes:
      views: names of two or more views of one modality and duration; the window is that of the first.
      probability: in [0, 1].

    Raises:
      UserError: `probability` is outside [0, 1].
    """

    views: Sequence[str] = gin.REQUIRED
    probability: float = 1.0

    def __post_init__(self) -> None:
        self._require("probability", 0 <= self.probability <= 1, "a probability in [0, 1]")

    @property
    def placed(self) -> Sequence[str]:
        return tuple(self.views[1:])

    @property
    def followed(self) -> Sequence[str]:
        return tuple(self.views[:1])

    def check(self, views: Mapping[str, View]) -> None:
        require_one_kind(self.views, type(self).__name__, views)

    def draw(
        self, clip: Clip, windows: Mapping[str, Window], seed: tf.Tensor
    ) -> Mapping[str, Window]:
        same = tf.random.stateless_uniform((), seed, dtype=tf.float64) < self.probability
        start = windows[self.views[0]].start
        return {
            name: windows[name]._replace(start=tf.where(same, start, windows[name].start))
            for name in self.placed
        }
