"""Several windows, sorted in time (rho-BYOL)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import gin
import tensorflow as tf

from brave_tf.data.records.reader import Clip
from brave_tf.data.views.windows import RuleOfOneKind, Window


@gin.configurable
@dataclasses.dataclass(frozen=True)
class InOrder(RuleOfOneKind):
    """Draws windows independently, and gives the earliest to the first view, and so on.

    Each starts at any moment, a real number of seconds, from 0 to the last at which it fits; they may
    overlap. So does rho-BYOL in its public code. In a clip in which no window fits, each starts at any
    moment and loops.

    Attributes:
      views: names of two or more views of one modality and duration, in the order of their windows.
    """

    views: Sequence[str] = gin.REQUIRED

    def draw(
        self, clip: Clip, windows: Mapping[str, Window], seed: tf.Tensor
    ) -> Mapping[str, Window]:
        places = windows[self.views[0]].view.places(clip)
        last = tf.where(places.latest >= 0, places.latest, places.seconds)
        shares = tf.random.stateless_uniform((len(self.views),), seed, dtype=tf.float64)
        starts = tf.unstack(tf.sort(shares) * last)
        return {
            name: windows[name]._replace(start=start) for name, start in zip(self.views, starts)
        }
