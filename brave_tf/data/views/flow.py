"""The view that sees optical flow."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import gin
import tensorflow as tf

from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.reader import Clip
from brave_tf.data.records.stored_values import StoredValues
from brave_tf.data.views.base import Augmentation
from brave_tf.data.views.video import VideoView


@gin.configurable
@dataclasses.dataclass(frozen=True)
class FlowView(VideoView):
    """Optical flow: (num_frames, size, size, 2) float32 in [-1, 1], rightward u then downward v.

    A value of 1 is `bound` pixels of the resized frame from one frame of the record to the next:
    displacements are scaled with the crop they lie in, u by size / crop width, v by size / crop
    height, and clipped to [-1, 1]. They are not added up over `frame_step`.

    Records hold a displacement d as the pixel round((d + b) * 255 / (2 b)), b being their own bound;
    it is read back as pixel * 2 b / 255 - b. No pixel stands for 0: that is stored as 128 and read
    as b / 255 (0.08 pixels for b = 20), half a quantisation step.

    The defaults are the broad view of the released BraVe code, 64 frames, step 4 at 25 per second
    (10.24 s), 112 pixels, with flips as the only augmentation.

    Attributes:
      bound: displacement in pixels of the resized frame that becomes 1.
    """

    modality: ClassVar[str] = "flow"
    highest_pixel: ClassVar[float] = 2.0
    augmentations: tuple[Augmentation, ...] = (random_flip,)
    num_frames: int = 64
    frame_step: float = 4
    size: int = 112
    bound: float = 20.0

    def __post_init__(self, seconds: float | None) -> None:
        super().__post_init__(seconds)
        self._require("bound", self.bound > 0, "pixels above 0")

    @property
    def channels(self) -> int:
        return 2

    @property
    def fields(self) -> tuple[str, ...]:
        return (record_fields.FLOW,)

    def preparation(self) -> dict[str, Any]:
        return {**super().preparation(), "flow": "tvl1"}

    def _jpegs(self, clip: Clip) -> tf.Tensor | StoredValues:
        return clip.flow

    def _values(self, pixels: tf.Tensor, clip: Clip, scale: tf.Tensor) -> tf.Tensor:
        # What the highest pixel stands for, of u and v.
        one = scale * (clip.flow_bound / self.bound)
        return tf.clip_by_value(pixels[..., :2] * one - one, -1.0, 1.0)
