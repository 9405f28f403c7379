"""What turns the sound of a window into the values of an audio view."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from brave_tf.data.views.normalisation import is_usable, per_channel
from brave_tf.errors import UserError


class Spectrogram(abc.ABC):
    """A transform from PCM to frames of bins, as `AudioView.log_mel` has one.

    Attributes:
      sample_rate: of the PCM, Hz.
      frame_length: samples that one frame is made from, the fewest of a window.
    """

    sample_rate: int
    frame_length: int

    @property
    @abc.abstractmethod
    def bins(self) -> int:
        """Values of a frame."""

    @abc.abstractmethod
    def frames(self, num_samples: int) -> int:
        """Returns how many frames `num_samples` samples give."""

    @abc.abstractmethod
    def __call__(self, pcm: tf.Tensor) -> tf.Tensor:
        """Returns (..., frames, bins) float32 of (..., samples) PCM; `samples` may be dynamic."""

    def _require(self, field: str, usable: Any, expected: str) -> None:
        if not usable:
            name, value = type(self).__name__, getattr(self, field)
            raise UserError(f"{name}.{field} = {value}: expected {expected}.")

    def _require_statistics(self) -> None:
        """Makes sure that `mean` and `deviation` are a number, or one for each bin, or both None."""
        for field, other, positive in (("mean", "deviation", False), ("deviation", "mean", True)):
            self._require(
                field,
                is_usable(getattr(self, field), getattr(self, other), self.bins, positive=positive),
                f"a number{' above 0' if positive else ''} or {self.bins} of them, one for each bin, with "
                "mean and deviation bound both or neither",
            )

    def _normalised(self, values: tf.Tensor) -> tf.Tensor:
        """Takes the mean of each bin off, and divides by its deviation."""
        mean: Sequence[float] | None = per_channel(self.mean, self.bins)
        if mean is None:
            return values
        deviation = np.asarray(per_channel(self.deviation, self.bins), np.float32)
        return (values - np.asarray(mean, np.float32)) / deviation
