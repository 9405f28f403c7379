"""Log-mel spectrograms."""

from __future__ import annotations

import dataclasses
import functools

import gin
import numpy as np
import tensorflow as tf
from absl import logging

from brave_tf.errors import UserError


@gin.configurable
@dataclasses.dataclass(frozen=True)
class LogMel:
    """Turns PCM into log(log_offset + log_scale * mel), where mel is the magnitude STFT in mel bands.

    The defaults are the preset of the released BraVe code: at 48 kHz a Hann window of 320 samples (6.7 ms)
    every 160 (3.3 ms), 80 mel bands from 80 to 7600 Hz, log(1 + 10000 mel). 16 of its bands lie between two
    frequencies of so short an FFT and are always 0, see `empty_bands`; a longer `frame_length` fills them.

    Attributes:
      sample_rate: of the PCM, Hz.
      frame_length: samples under one window.
      frame_step: samples from one window to the next.
      fft_length: samples of the FFT, the window padded with zeros; None: `frame_length`.
      mel_bins: number of mel bands.
      lower_hz: where the lowest band begins.
      upper_hz: where the highest band ends.
      log_offset: added before the logarithm.
      log_scale: multiplies the mel magnitudes before the logarithm.

    Raises:
      UserError: a number cannot be used.
    """

    sample_rate: int = 48_000
    frame_length: int = 320
    frame_step: int = 160
    fft_length: int | None = None
    mel_bins: int = 80
    lower_hz: float = 80.0
    upper_hz: float = 7600.0
    log_offset: float = 1.0
    log_scale: float = 10_000.0

    def __post_init__(self) -> None:
        for field in (
            "sample_rate",
            "frame_length",
            "frame_step",
            "mel_bins",
            "log_offset",
            "log_scale",
        ):
            self._require(field, getattr(self, field) > 0, "a number above 0")
        fft_length = self.fft_length
        self._require(
            "fft_length",
            fft_length is None or fft_length >= self.frame_length,
            "at least frame_length",
        )
        nyquist = self.sample_rate / 2
        self._require(
            "lower_hz", 0 <= self.lower_hz < self.upper_hz, "at least 0 and below upper_hz"
        )
        self._require(
            "upper_hz", self.upper_hz <= nyquist, f"at most half the sample rate, {nyquist:g} Hz"
        )
        _warn_of_empty_bands(self)

    def _require(self, field: str, usable: bool, expected: str) -> None:
        if not usable:
            raise UserError(f"LogMel.{field} = {getattr(self, field)}: expected {expected}.")

    def frames(self, num_samples: int) -> int:
        """Returns how many frames `num_samples` samples give."""
        return -(-num_samples // self.frame_step)

    def matrix(self) -> np.ndarray:
        """Returns the mel filters, (fft_length // 2 + 1, mel_bins) float32."""
        return _mel_matrix(self)

    def empty_bands(self) -> list[int]:
        """Returns the mel bands that no frequency of the FFT falls into; they are constant."""
        return np.flatnonzero(~self.matrix().any(axis=0)).tolist()

    def __call__(self, pcm: tf.Tensor) -> tf.Tensor:
        """Computes the spectrogram.

        Args:
          pcm: (..., samples) float32; `samples` may be dynamic. The end is padded with zeros so that the
            frames cover all samples.

        Returns:
          (..., ceil(samples / frame_step), mel_bins) float32.
        """
        spectrum = tf.abs(
            tf.signal.stft(
                pcm,
                self.frame_length,
                self.frame_step,
                self.fft_length or self.frame_length,
                window_fn=tf.signal.hann_window,
                pad_end=True,
            )
        )
        mel = tf.tensordot(spectrum, self.matrix(), 1)
        return tf.math.log(self.log_offset + self.log_scale * mel)


@functools.cache
def _mel_matrix(config: LogMel) -> np.ndarray:
    bins = (config.fft_length or config.frame_length) // 2 + 1
    with tf.init_scope():
        matrix = tf.signal.linear_to_mel_weight_matrix(
            config.mel_bins, bins, config.sample_rate, config.lower_hz, config.upper_hz
        )
        return matrix.numpy()


@functools.cache
def _warn_of_empty_bands(config: LogMel) -> None:
    empty = config.empty_bands()
    if empty:
        logging.warning(
            "%d of the %d mel bands are always empty: %s. At %d Hz an FFT of %d samples has a frequency "
            "every %.0f Hz, too few for bands this narrow. A longer LogMel.frame_length or fewer "
            "LogMel.mel_bins fills them.",
            len(empty),
            config.mel_bins,
            empty,
            config.sample_rate,
            config.fft_length or config.frame_length,
            config.sample_rate / (config.fft_length or config.frame_length),
        )
