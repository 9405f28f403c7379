"""Several windows with a least distance."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import gin
import tensorflow as tf

from brave_tf.data.records.reader import Clip
from brave_tf.data.views.sampling import Places
from brave_tf.data.views.windows import RuleOfOneKind, Window


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Apart(RuleOfOneKind):
    """Draws windows with at least `seconds` between the end of one and the start of the next.

    All such placements are equally likely. In a clip that is too short for the distance they are spread
    evenly, from its start to its end; in one in which no window fits, so are their starts, and they loop.

    Attributes:
      views: names of two or more views of one modality and duration.
      seconds: the least distance, 0 or more.
      in_order: whether the first view has the earliest window, and so on; otherwise any may.

    Raises:
      UserError: `seconds` is below 0.
    """

    views: Sequence[str] = gin.REQUIRED
    seconds: float = 0.0
    in_order: bool = False

    def __post_init__(self) -> None:
        self._require("seconds", 0 <= self.seconds < float("inf"), "seconds, 0 or more")

    def draw(
        self, clip: Clip, windows: Mapping[str, Window], seed: tf.Tensor
    ) -> Mapping[str, Window]:
        place_seed, order_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        starts = self._starts(windows[self.views[0]].view.places(clip), place_seed)
        if not self.in_order:
            starts = tf.random.experimental.stateless_shuffle(starts, order_seed)
        return {
            name: windows[name]._replace(start=start)
            for name, start in zip(self.views, tf.unstack(starts))
        }

    def _starts(self, places: Places, seed: tf.Tensor) -> tf.Tensor:
        """Draws the starts, from the earliest to the latest: (views,) float64 seconds."""
        count = len(self.views)
        step = self.seconds + tf.cast(places.window, tf.float64) / places.rate
        # What is left when they are as close as they may be is shared out.
        spare = places.latest - (count - 1) * step
        shares = tf.sort(tf.random.stateless_uniform((count,), seed, dtype=tf.float64))
        numbers = tf.range(count, dtype=tf.float64)
        even = tf.where(places.latest >= 0, places.latest / (count - 1), places.seconds / count)
        return tf.where(spare >= 0, shares * spare + numbers * step, numbers * even)
