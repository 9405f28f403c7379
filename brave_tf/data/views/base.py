"""What a view is: a window of a clip in one modality, sampled for training or cropped for testing."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, Callable, ClassVar

import numpy as np
import tensorflow as tf

from brave_tf.data.records.reader import Clip
from brave_tf.data.views.sampling import Places
from brave_tf.errors import UserError
from brave_tf.storage.added_fields import added_field

# A view's augmentation: (values of the view's shape, seed (2,) int32) -> values of the same shape.
Augmentation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class View(abc.ABC):
    """A named window of a clip. Subclasses are the modalities.

    Attributes:
      sync: True: the window starts where the narrow view's starts, as in the released BraVe code;
        False: it has its own random start.
      augmentations: functions (values, seed) -> values, applied in this order by `sample`.
      step_augmentations: further ones, which follow. In training they are left to the step, on the device
        that trains (a GPU, where they cost little), in batches of the input pipeline that are not
        finished: see `in_step.finish_views`. The samples are the same wherever they are applied. On a TPU
        they have to be ones that XLA can compile, which `gaussian_blur` is not.
      reverse: whether training windows run backwards: they are turned round before they are augmented.
      reversible: of the class: whether that means something, as it does for frames and spectrograms, whose
        first axis is time. Flow that runs backwards is not the flow of what runs backwards.

    Raises:
      UserError: a field has a value that cannot be used.
    """

    modality: ClassVar[str]
    reversible: ClassVar[bool] = False
    sync: bool = True
    augmentations: tuple[Augmentation, ...] = ()
    step_augmentations: tuple[Augmentation, ...] = ()
    reverse: bool = added_field(False)

    def __post_init__(self) -> None:
        for field in ("augmentations", "step_augmentations"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
            self._require(
                field,
                all(callable(augmentation) for augmentation in getattr(self, field)),
                "functions, which gin lists as @name without parentheses",
            )
        kind = f"a view that can run backwards, which {self.modality} cannot"
        self._require("reverse", self.reversible or not self.reverse, f"False, or {kind}")

    def _require(self, field: str, usable: Any, expected: str) -> None:
        if not usable:
            value = getattr(self, field)
            raise UserError(f"{type(self).__name__}.{field} = {value!r}: expected {expected}.")

    @property
    @abc.abstractmethod
    def duration(self) -> float:
        """Seconds that the window spans."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Static shape of a sample, without the batch."""

    @property
    @abc.abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The sequence fields of a record that the view is made from, of its modality's `fields`."""

    @abc.abstractmethod
    def random_start(self, clip: Clip, seed: tf.Tensor, *, loop: bool) -> tf.Tensor:
        """Draws where the window starts: () float64 seconds, uniform over the starts at which it fits.

        In a clip that is too short it is any moment of the clip if `loop`, else 0.
        """

    def places(self, clip: Clip) -> Places:
        """Returns in how many places of a clip the window can start, which rules about windows are told in.

        Raises:
          UserError: the view does not say so.
        """
        raise UserError(
            f"{type(self).__name__} does not say where in a clip its windows can start, which rules of "
            "Recipe.windows ask for: define places in it."
        )

    @abc.abstractmethod
    def sample(self, clip: Clip, start: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Cuts and augments the training window.

        Args:
          clip: a clip that has the view's `fields`.
          start: () float64, seconds.
          seed: (2,) int32; the same seed gives the same sample.

        Returns:
          float32 of `shape`.
        """

    @abc.abstractmethod
    def crops(self, clip: Clip, temporal: int = 10, spatial: int = 3) -> tf.Tensor:
        """Cuts the test crops: evenly spaced in time, then in space; no randomness, no augmentation.

        Args:
          clip: a clip that has the view's `fields`.
          temporal: number of windows. They are spaced from the first to the last that fits; a clip
            that is too short is repeated until one fits; one window starts at 0.
          spatial: number of crops of each window; sound has one whatever this says.

        Returns:
          (temporal * spatial, *shape) float32 of static shape, the crops of the first window first.
        """

    def crop_times(self, clip: Clip, temporal: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns when the windows of `crops` are.

        Args:
          clip: a clip that has the view's `fields`.
          temporal: number of windows.

        Returns:
          In seconds: (temporal,) float64, their starts; () float64, how long one lasts; () float64, how long
          the clip does.

        Raises:
          UserError: the view does not say so.
        """
        raise UserError(
            f"{type(self).__name__} does not say when its windows are, which is kept with features: define "
            "crop_times in it."
        )

    def preparation(self) -> dict[str, Any]:
        """Returns the fields of `PreparationSettings` with which a record of a media file has what it needs.

        Where several views state a number, the highest is taken.

        Raises:
          UserError: the view does not say so.
        """
        raise UserError(
            f"{type(self).__name__} does not say how media files are prepared for it: define preparation in "
            "it, or prepare records with brave_tf_prepare."
        )

    def unfinished(self) -> View:
        """Returns the view without its `step_augmentations`; `finish` applies them to its samples."""
        return dataclasses.replace(self, step_augmentations=())

    def finish(self, values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Applies `step_augmentations` to what `sample` of the unfinished view made with the same seed."""
        first = len(self.augmentations)
        return self._apply(self.step_augmentations, first, values, self._augmentation_seed(seed))

    def shown(self, values: np.ndarray) -> np.ndarray:
        """Returns a sample in the units in which its modality draws it: without what a view made of them."""
        return values

    def _augmentation_seed(self, seed: tf.Tensor) -> tf.Tensor:
        """Returns the seed of the augmentations, derived from that of a sample."""
        return seed

    def _augment(self, values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Turns a window round if it is to run backwards, and applies all augmentations.

        Args:
          values: of the view's shape.
          seed: that of the sample.
        """
        values = tf.reverse(values, [0]) if self.reverse else values
        every = self.augmentations + self.step_augmentations
        return self._apply(every, 0, values, self._augmentation_seed(seed))

    def _apply(
        self,
        augmentations: tuple[Augmentation, ...],
        first: int,
        values: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """Applies augmentations of which the first is number `first` of the view."""
        for index, augmentation in enumerate(augmentations, first):
            of_this = tf.random.experimental.stateless_fold_in(seed, index)
            values = augmentation(values, of_this)
        return tf.ensure_shape(values, self.shape)
