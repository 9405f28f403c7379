"""Two windows the closer in time, the likelier (CVRL)."""

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
class FallingGap(RuleOfOneKind):
    """Draws two windows whose gap falls linearly in probability: as CVRL does in its public code.

    With M places at which a window fits, the gap between the starts is d < M places with the distribution
    function F(d) = 2 d / M - (d / M)^2, whose density falls linearly to 0 at M. The first window then
    starts at any of the M - d places that leave room, and a coin says which view has the first.

    In a clip in which no window fits, each starts anywhere, independently of the other, and both loop.

    Attributes:
      views: names of two views of one modality and duration.

    Raises:
      UserError: these are not two.
    """

    views: Sequence[str] = gin.REQUIRED

    def __post_init__(self) -> None:
        self._require("views", len(self.views) == 2, "names of two views")

    def draw(
        self, clip: Clip, windows: Mapping[str, Window], seed: tf.Tensor
    ) -> Mapping[str, Window]:
        one, other = self.views
        places = windows[one].view.places(clip)
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 4))
        apart = tf.stack(_near(places, seeds[0], seeds[1]))
        anywhere = tf.random.stateless_uniform((2,), seeds[2], 0, places.length, tf.int32)
        first, second = tf.unstack(tf.where(places.starts > 0, apart, anywhere))
        swapped = tf.random.stateless_uniform((), seeds[3], dtype=tf.float64) < 0.5
        starts = {one: tf.where(swapped, second, first), other: tf.where(swapped, first, second)}
        return {
            name: windows[name]._replace(start=tf.cast(start, tf.float64) / places.rate)
            for name, start in starts.items()
        }


def gap_of(share: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
    """Returns the gap at which the distribution function of gaps reaches a share.

    Args:
      share: float64 in [0, 1).
      starts: int32, the number of places, M.

    Returns:
      int32 in [0, M): floor(M (1 - sqrt(1 - share))).
    """
    return tf.cast(tf.floor(tf.cast(starts, tf.float64) * (1 - tf.sqrt(1 - share))), tf.int32)


def _near(places: Places, gap_seed: tf.Tensor, first_seed: tf.Tensor) -> tuple:
    """Returns the places of the first and the second window, () int32, where windows fit."""
    starts = tf.maximum(places.starts, 1)
    gap = gap_of(tf.random.stateless_uniform((), gap_seed, dtype=tf.float64), starts)
    first = tf.random.stateless_uniform((), first_seed, 0, starts - gap, tf.int32)
    return first, first + gap
