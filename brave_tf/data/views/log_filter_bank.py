"""Log energies in mel filters, as GDT uses them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import gin
import numpy as np
import tensorflow as tf

from brave_tf.data.views.spectrogram import Spectrogram

# Stands in for an energy of 0: the distance from 1 to the next float64.
_NOTHING = float(np.finfo(np.float64).eps)


@gin.configurable
@dataclasses.dataclass(frozen=True)
class LogFilterBank(Spectrogram):
    """Turns PCM into log energies in triangular mel filters, as speech recognition does.

    The defaults are GDT's, at 24 kHz. Samples are scaled to 32768 and pre-emphasised, x[t] - 0.97 x[t - 1].
    Frames of 480 samples (20 ms) start every 240 (10 ms); they have no window function, and are padded with
    zeros to an FFT of 1024. There are 40 filters from 0 Hz to half the sample rate. Values become
    (x - 1.93) / 17.89. 1 s gives 99 frames. A filter that lies between two frequencies of the FFT is empty,
    and its value before that is log(2.2e-16).

    Attributes:
      sample_rate: of the PCM, Hz.
      frame_length: samples of a frame.
      frame_step: samples from one frame to the next.
      fft_length: samples of the FFT, at least `frame_length`.
      mel_bins: number of filters.
      preemphasis: share of the previous sample that is subtracted.
      full_scale: what a sample of 1 is scaled to.
      mean: of each bin, or one number for all, to subtract; None for log energies as they are.
      deviation: of each bin, or one number for all, to divide by.

    Raises:
      UserError: a number cannot be used.
    """

    sample_rate: int = 24_000
    frame_length: int = 480
    frame_step: int = 240
    fft_length: int = 1024
    mel_bins: int = 40
    preemphasis: float = 0.97
    full_scale: float = 32768.0
    mean: Sequence[float] | float | None = 1.93
    deviation: Sequence[float] | float | None = 17.89

    def __post_init__(self) -> None:
        for field in ("sample_rate", "frame_length", "frame_step", "mel_bins", "full_scale"):
            self._require(field, getattr(self, field) > 0, "a number above 0")
        usable = self.fft_length >= self.frame_length
        self._require("fft_length", usable, "at least frame_length")
        self._require("preemphasis", 0 <= self.preemphasis < 1, "at least 0 and below 1")
        self._require_statistics()

    @property
    def bins(self) -> int:
        return self.mel_bins

    def frames(self, num_samples: int) -> int:
        return 1 + max(0, -(-(num_samples - self.frame_length) // self.frame_step))

    def matrix(self) -> np.ndarray:
        """Returns the filters, (fft_length // 2 + 1, mel_bins) float32."""
        return _filters(self.sample_rate, self.fft_length, self.mel_bins)

    def __call__(self, pcm: tf.Tensor) -> tf.Tensor:
        """Computes the log energies.

        Args:
          pcm: (..., samples) float32, padded with zeros at the end so that frames cover all samples.

        Returns:
          (..., frames, mel_bins) float32, normalised unless `mean` is None.
        """
        pcm = tf.convert_to_tensor(pcm) * self.full_scale
        emphasised = pcm[..., 1:] - self.preemphasis * pcm[..., :-1]
        emphasised = tf.concat([pcm[..., :1], emphasised], axis=-1)
        beyond = tf.shape(pcm)[-1] - self.frame_length
        steps = tf.maximum(0, -(-beyond // self.frame_step))
        padding = steps * self.frame_step - beyond
        padding = [[0, 0]] * (pcm.shape.rank - 1) + [[0, padding]]
        framed = tf.signal.frame(tf.pad(emphasised, padding), self.frame_length, self.frame_step)
        spectrum = tf.signal.rfft(framed, [self.fft_length])
        power = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
        energy = tf.tensordot(power / self.fft_length, self.matrix(), 1)
        return self._normalised(tf.math.log(tf.where(energy == 0, _NOTHING, energy)))


@functools.cache
def _filters(sample_rate: int, fft_length: int, count: int) -> np.ndarray:
    """Triangles with corners at whole frequencies of the FFT, evenly spaced in mel."""
    highest = 2595 * np.log10(1 + sample_rate / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, highest, count + 2) / 2595) - 1)
    corners = np.floor((fft_length + 1) * hertz / sample_rate)
    places = np.arange(fft_length // 2 + 1)[:, np.newaxis]
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (places - low) / np.maximum(middle - low, 1)
    falling = (high - places) / np.maximum(high - middle, 1)
    inside = (places >= low) & (places < high)
    return np.where(inside, np.where(places < middle, rising, falling), 0).astype(np.float32)
