"""The view that sees optical flow as pictures."""

from __future__ import annotations

import dataclasses

import gin
import numpy as np
import tensorflow as tf

from brave_tf.data.records.reader import Clip
from brave_tf.data.views.flow import FlowView

# Of no motion.
_ZERO = 0.5


@gin.configurable
@dataclasses.dataclass(frozen=True)
class FlowPictureView(FlowView):
    """Optical flow as the picture that stores it: (num_frames, size, size, 3) float32 in [0, 1].

    The first two channels are (d / bound + 1) / 2 of the displacement d, rightward u, then downward v. The
    third is a constant. As in CoCLR's released code, the view is treated like any picture, changes of colour
    included: displacements are not scaled with the crop, and u keeps its sign in a flip. That the third
    channel is 0 there is assumed.

    Attributes:
      bound: displacement in pixels of the record's frame that becomes 1; one of -bound becomes 0. Records of
        another bound are brought to it.
      third: the value of the third channel.
    """

    third: float = 0.0

    def __post_init__(self, seconds: float | None) -> None:
        super().__post_init__(seconds)
        self._require("third", 0 <= self.third <= 1, "a value in [0, 1]")

    @property
    def channels(self) -> int:
        return 3

    def shown(self, values: np.ndarray) -> np.ndarray:
        return (super().shown(values)[..., :2] - _ZERO) / _ZERO

    def picture(self, displacements: tf.Tensor) -> tf.Tensor:
        """Returns (..., 3) pictures of (..., C) displacements in units of `bound`, the first two u and v."""
        levels = tf.clip_by_value(displacements[..., :2] * _ZERO + _ZERO, 0.0, 1.0)
        return tf.concat([levels, tf.fill(tf.shape(levels[..., :1]), self.third)], -1)

    def _values(self, pixels: tf.Tensor, clip: Clip, scale: tf.Tensor) -> tf.Tensor:
        del scale
        return self.picture((pixels - 1.0) * (clip.flow_bound / self.bound))
