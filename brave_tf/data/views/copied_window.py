"""A copy of another view's window: as it is, shifted, or run backwards."""

from __future__ import annotations

import dataclasses
import math
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
class CopiedWindow(WindowRule):
    """Gives a view the window of another one, with its draws: of the crop, and of the augmentations.

    Views with the same settings then show the same values but for the shift and the direction, as tasks about
    order and alignment need (ELo). Of views of other settings, or another modality, the moment is the same.

    A window that is shifted and does not fit is shifted the other way; if neither way fits, it runs over the
    end of the clip and goes on from its start.

    Attributes:
      view: name of the view that is the copy.
      of: name of the one that is copied, where other rules have put it.
      seconds: by how much the copy starts later; earlier, if below 0.
      reverse: whether it runs backwards, see `View.reverse`.

    Raises:
      UserError: a view is to be a copy of itself, or `seconds` is no number.
    """

    view: str = gin.REQUIRED
    of: str = gin.REQUIRED
    seconds: float = 0.0
    reverse: bool = False

    def __post_init__(self) -> None:
        self._require("of", self.of != self.view, "the name of another view")
        self._require("seconds", math.isfinite(self.seconds), "seconds")

    @property
    def placed(self) -> Sequence[str]:
        return (self.view,)

    @property
    def followed(self) -> Sequence[str]:
        return (self.of,)

    def check(self, views: Mapping[str, View]) -> None:
        view = views[self.view]
        if self.seconds:
            require_places(view, self.view)
        if self.reverse and not view.reversible:
            raise UserError(
                f"CopiedWindow.reverse = True: view {self.view!r} is of {view.modality}, which cannot run "
                "backwards; rgb and audio can."
            )

    def draw(
        self, clip: Clip, windows: Mapping[str, Window], seed: tf.Tensor
    ) -> Mapping[str, Window]:
        del seed  # All draws are those of the other window.
        copied, view = windows[self.of], windows[self.view].view
        start = copied.start
        if self.seconds:
            start = shifted(start, self.seconds, view.places(clip))
        if self.reverse:
            view = dataclasses.replace(view, reverse=True)
        return {self.view: Window(view, start, copied.seed)}


def shifted(start: tf.Tensor, seconds: float, places: Places) -> tf.Tensor:
    """Returns when a window starts that another one's start was shifted to, see `CopiedWindow`.

    Args:
      start: () float64, seconds in the clip.
      seconds: how far.
      places: of the window that is shifted.

    Returns:
      () float64 seconds in the clip.
    """

    def fits(moment: tf.Tensor) -> tf.Tensor:
        # Starts are multiples of a frame or sample, which binary fractions miss by a little.
        slack = 1e-4 / places.rate
        return (moment > -slack) & (moment < places.latest + slack)

    there, back = start + seconds, start - seconds
    looped = tf.math.floormod(there, places.seconds)
    return tf.maximum(tf.where(fits(there), there, tf.where(fits(back), back, looped)), 0.0)
