"""The view that sees colour frames."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import gin
import tensorflow as tf

from brave_tf.data.augment.gaussian_blur import gaussian_blur
from brave_tf.data.augment.random_color import random_color
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.augment.random_gray import random_gray
from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.reader import Clip
from brave_tf.data.records.stored_values import StoredValues
from brave_tf.data.views.base import Augmentation
from brave_tf.data.views.video import VideoView


@gin.configurable
@dataclasses.dataclass(frozen=True)
class RgbView(VideoView):
    """Colour frames: (num_frames, size, size, 3) float32 in [0, 1].

    The defaults are the narrow view of the released BraVe code: 16 frames, step 2 at 25 per second
    (1.28 s), 224 pixels, blurred, flipped and recoloured.
    """

    modality: ClassVar[str] = "rgb"
    reversible: ClassVar[bool] = True
    highest_pixel: ClassVar[float] = 1.0
    augmentations: tuple[Augmentation, ...] = (
        gaussian_blur,
        random_flip,
        random_color,
        random_gray,
    )

    @property
    def channels(self) -> int:
        return 3

    @property
    def fields(self) -> tuple[str, ...]:
        return (record_fields.IMAGE,)

    def _jpegs(self, clip: Clip) -> tf.Tensor | StoredValues:
        return clip.images

    def _values(self, pixels: tf.Tensor, clip: Clip, scale: tf.Tensor) -> tf.Tensor:
        del clip, scale
        return pixels
