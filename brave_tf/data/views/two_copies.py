"""Two copies of a clip that are augmented strongly or weakly (CoCLR)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import gin
import tensorflow as tf

from brave_tf.data.augment.color_jitter import color_jitter
from brave_tf.data.augment.gaussian_blur import gaussian_blur
from brave_tf.data.augment.random_channel import random_channel
from brave_tf.data.records.reader import Clip
from brave_tf.data.views.base import Augmentation, View
from brave_tf.data.views.windows import Window, WindowRule
from brave_tf.errors import UserError


@gin.configurable
@dataclasses.dataclass(frozen=True)
class TwoCopies(WindowRule):
    """Draws one window twice, or two, and augments each copy strongly or weakly: as CoCLR does.

    A coin says whether both copies have one window. If so, a second coin says which of them is strong, and
    the other is weak. If not, each has a window of its own, and is strong with `strong_probability`,
    whatever the other is. A weak copy has the augmentations of its views alone; a strong one has `strong`
    too, after them.

    A copy may be of several views, such as the key in colour and its flow: they share the window, the crop,
    the strength and all draws of augmentations. Views of the same settings then differ by their modality
    alone.

    In a clip that is too short, each window starts at any moment and loops, unless the view holds its first
    frame.

    Attributes:
      copies: two, each the name of a view or a list of names. All views are of one duration, and the first
        of a copy says where it can start.
      same: the probability of one window.
      strong_probability: that a copy with a window of its own is strong.
      strong: augmentations that a strong copy has beside those of its views.

    Raises:
      UserError: there are not two copies, or a number is no probability.
    """

    copies: Sequence[str | Sequence[str]] = gin.REQUIRED
    same: float = 0.5
    strong_probability: float = 0.3
    strong: tuple[Augmentation, ...] = (color_jitter, random_channel, gaussian_blur)

    def __post_init__(self) -> None:
        self._require(
            "copies", len(self.copies) == 2, "two, each the name of a view or a list of names"
        )
        for field in ("same", "strong_probability"):
            self._require(field, 0 <= getattr(self, field) <= 1, "a probability in [0, 1]")
        usable = all(callable(each) for each in self.strong)
        self._require("strong", usable, "functions, which gin lists as @name without parentheses")

    @property
    def placed(self) -> Sequence[str]:
        return tuple(name for copy in self._copies() for name in copy)

    def check(self, views: Mapping[str, View]) -> None:
        names = self.placed
        self._require("copies", len(set(names)) == len(names), "each name once")
        durations = {name: views[name].duration for name in names}
        if len(set(durations.values())) > 1:
            listed = ", ".join(f"{name}: {seconds:g} s" for name, seconds in durations.items())
            raise UserError(
                f"TwoCopies.copies = {self.copies!r}: expected views of one duration, not {listed}."
            )
        for copy in self._copies():
            # The seed of an augmentation depends on how many are before it.
            counts = {name: len(views[name].augmentations) for name in copy}
            if len(set(counts.values())) > 1:
                raise UserError(
                    f"TwoCopies.copies = {self.copies!r}: expected views of a copy to have as many "
                    f"augmentations, so that they share all draws, not {counts}."
                )
            for name in copy:
                if views[name].step_augmentations:
                    raise UserError(
                        f"view {name!r} has step_augmentations, which cannot follow those of TwoCopies, "
                        "whose number is drawn: list them in augmentations."
                    )

    def draw(
        self, clip: Clip, windows: Mapping[str, Window], seed: tf.Tensor
    ) -> Mapping[str, Window]:
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
        same, which, *each = tf.unstack(
            tf.random.stateless_uniform((4,), seeds[0], dtype=tf.float64)
        )
        same, first_is_strong = same < self.same, which < 0.5
        strong = [
            tf.where(same, chosen, drawn < self.strong_probability)
            for chosen, drawn in zip((first_is_strong, ~first_is_strong), each)
        ]
        copies = self._copies()
        first, second = (
            windows[copy[0]].view.random_start(clip, own, loop=True)
            for copy, own in zip(copies, seeds[1:])
        )
        starts = first, tf.where(same, first, second)
        return {
            name: Window(self._with(windows[name].view, is_strong), start, windows[copy[0]].seed)
            for copy, start, is_strong in zip(copies, starts, strong)
            for name in copy
        }

    def _copies(self) -> list[tuple[str, ...]]:
        return [(copy,) if isinstance(copy, str) else tuple(copy) for copy in self.copies]

    def _with(self, view: View, is_strong: tf.Tensor) -> View:
        """Returns the view with one more augmentation, which does what `strong` does if `is_strong`."""

        def strongly(values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            for index, augmentation in enumerate(self.strong):
                of_this = tf.random.experimental.stateless_fold_in(seed, index)
                values = augmentation(values, of_this)
            return values

        def augment(values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            return tf.cond(is_strong, lambda: strongly(values, seed), lambda: values)

        return dataclasses.replace(view, augmentations=(*view.augmentations, augment))
