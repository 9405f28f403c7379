"""A window near that of another modality (AVID)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import gin
import tensorflow as tf

from brave_tf.data.records.reader import Clip
from brave_tf.data.views.base import View
from brave_tf.data.views.sampling import Places
from brave_tf.data.views.windows import Window, WindowRule, require_places
from brave_tf.errors import UserError


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Nearby(WindowRule):
    """Draws a window anywhere, and a shorter one of another view near it: as AVID does in its public code.

    The window of `of` starts at any moment, a real number of seconds, at which it ends before both frames and
    sound do. That of `view` then lies anywhere within it, widened by `seconds` on both sides as far as the
    clip goes.

    In a clip in which the first does not fit, it starts at any moment and loops, and the other lies anywhere;
    one that does not fit either starts with the clip and loops.

    Attributes:
      view: name of the view with the shorter window.
      of: name of the view near which it is.
      seconds: by how much the longer window is widened, 0 or more.

    Raises:
      UserError: a view is to be near itself, or `seconds` is below 0.
    """

    view: str = gin.REQUIRED
    of: str = gin.REQUIRED
    seconds: float = 0.5

    def __post_init__(self) -> None:
        self._require("of", self.of != self.view, "the name of another view")
        self._require("seconds", 0 <= self.seconds < float("inf"), "seconds, 0 or more")

    @property
    def placed(self) -> Sequence[str]:
        return (self.of, self.view)

    def check(self, views: Mapping[str, View]) -> None:
        for name in self.placed:
            require_places(views[name], name)
        room, needed = views[self.of].duration + 2 * self.seconds, views[self.view].duration
        if needed > room:
            least = (needed - views[self.of].duration) / 2
            raise UserError(
                f"Nearby.seconds = {self.seconds}: view {self.view!r} lasts {needed:g} s, which do not fit "
                f"into the {room:g} s around the window of {self.of!r}. Bind at least {least:g}."
            )

    def draw(
        self, clip: Clip, windows: Mapping[str, Window], seed: tf.Tensor
    ) -> Mapping[str, Window]:
        longer, shorter = (windows[name].view.places(clip) for name in self.placed)
        shares = tf.unstack(tf.random.stateless_uniform((2,), seed, dtype=tf.float64))
        first = _start_of_longer(longer, shorter, shares[0])
        second = self._start_near(first, longer, shorter, shares[1])
        return {
            self.of: windows[self.of]._replace(start=first),
            self.view: windows[self.view]._replace(start=second),
        }

    def _start_near(
        self, start: tf.Tensor, longer: Places, shorter: Places, share: tf.Tensor
    ) -> tf.Tensor:
        """Returns when the shorter window starts if the longer one starts at `start`, () float64 seconds."""
        latest = tf.maximum(shorter.latest, 0)
        begin = tf.clip_by_value(start - self.seconds, 0, latest)
        end = start + _window(longer) + self.seconds - _window(shorter)
        end = tf.clip_by_value(end, begin, latest)
        fits = longer.latest >= 0
        begin, end = tf.where(fits, begin, 0), tf.where(fits, end, latest)
        return begin + share * (end - begin)


def _start_of_longer(longer: Places, shorter: Places, share: tf.Tensor) -> tf.Tensor:
    """Returns when the longer window starts, within what both modalities have; () float64 seconds."""
    common = tf.minimum(longer.seconds, shorter.seconds) - _window(longer)
    latest = tf.minimum(tf.maximum(common, 0), longer.latest)
    return share * tf.where(longer.latest >= 0, latest, longer.seconds)


def _window(places: Places) -> tf.Tensor:
    """Returns how long a window lasts, () float64 seconds."""
    return tf.cast(places.window, tf.float64) / places.rate
