"""Power spectrograms in decibels, as AVID uses them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.data.views.spectrogram import Spectrogram

# Power below it counts as it.
_LEAST_POWER = 1e-10


@gin.configurable
@dataclasses.dataclass(frozen=True)
class LogSpectrogram(Spectrogram):
    """Turns PCM into a power spectrogram in decibels, with frequencies averaged in pairs.

    The defaults are AVID's. At 24 kHz, a Hann window of 1024 samples is centred on every 240th one (10 ms),
    and the sound is mirrored at its ends. The lowest of the 513 frequencies stays alone and the others are
    averaged in pairs: 257 bins. Values lie at most 100 dB below the loudest one. 2 s give 200 frames.

    AVID subtracts the mean of each bin over its training set, and divides by its deviation plus 1e-5.

    Attributes:
      sample_rate: of the PCM, Hz.
      frame_length: samples of the window and of its FFT, a multiple of 4.
      frame_step: samples from one window to the next.
      range_db: how many decibels below the loudest value of a view's window are kept.
      mean: of each bin, or one number for all, to subtract; None for decibels as they are.
      deviation: of each bin, or one number for all, to divide by.

    Raises:
      UserError: a number cannot be used.
    """

    sample_rate: int = 24_000
    frame_length: int = 1024
    frame_step: int = 240
    range_db: float = 100.0
    mean: Sequence[float] | float | None = None
    deviation: Sequence[float] | float | None = None

    def __post_init__(self) -> None:
        for field in ("sample_rate", "frame_length", "frame_step", "range_db"):
            self._require(field, getattr(self, field) > 0, "a number above 0")
        self._require("frame_length", self.frame_length % 4 == 0, "a multiple of 4")
        self._require_statistics()

    @property
    def bins(self) -> int:
        return 1 + self.frame_length // 4

    def frames(self, num_samples: int) -> int:
        return num_samples // self.frame_step

    def __call__(self, pcm: tf.Tensor) -> tf.Tensor:
        """Computes the spectrogram.

        Args:
          pcm: (..., samples) float32, at least `frame_length` samples.

        Returns:
          (..., samples // frame_step, bins) float32, decibels, normalised if a mean is bound.
        """
        # In float32, weak frequencies beside loud ones would lose their last digits.
        pcm = tf.cast(pcm, tf.float64)
        half = self.frame_length // 2
        padding = [[0, 0]] * (pcm.shape.rank - 1) + [[half, half]]
        spectrum = tf.signal.stft(
            tf.pad(pcm, padding, "REFLECT"),
            self.frame_length,
            self.frame_step,
            self.frame_length,
            window_fn=tf.signal.hann_window,
        )
        power = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
        pairs = (power[..., 1::2] + power[..., 2::2]) / 2
        power = tf.concat([power[..., :1], pairs], axis=-1)
        decibels = 10 * _log10(tf.maximum(power, _LEAST_POWER))
        # The loudest value may be in the last frame, which is left out below, as in the released code.
        loudest = tf.reduce_max(decibels, axis=(-2, -1), keepdims=True)
        decibels = tf.maximum(decibels, loudest - self.range_db)
        count = tf.shape(pcm)[-1] // self.frame_step
        return self._normalised(tf.cast(decibels[..., :count, :], tf.float32))


def _log10(values: tf.Tensor) -> tf.Tensor:
    return tf.math.log(values) / tf.math.log(tf.constant(10.0, values.dtype))
