"""Log-mel spectrograms."""

from __future__ import annotations

import dataclasses
import functools
import math

import gin
import numpy as np
import tensorflow as tf
from absl import logging

from brave_tf.data.views.spectrogram import Spectrogram
from brave_tf.errors import UserError


@gin.configurable
@dataclasses.dataclass(frozen=True)
class LogMel(Spectrogram):
    """Turns PCM into log(log_offset + log_scale * mel), where mel is the magnitude STFT in mel bands.

    The defaults are the preset of the released BraVe code: at 48 kHz a Hann window of 320 samples (6.7 ms)
    every 160 (3.3 ms), 80 mel bands from 80 to 7600 Hz, log(1 + 10000 mel). 16 of its bands lie between two
    frequencies of so short an FFT and are always 0, see `empty_bands`; `log_mel_preset` has another.

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

    @property
    def bins(self) -> int:
        return self.mel_bins

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
        spectrum = tf.signal.stft(
            pcm,
            self.frame_length,
            self.frame_step,
            self.fft_length or self.frame_length,
            window_fn=tf.signal.hann_window,
            pad_end=True,
        )
        matrix = self.matrix()
        # Most of the frequencies are above the bands: their magnitudes are not needed.
        used = np.flatnonzero(matrix.any(axis=1)).max(initial=0) + 1
        real, imag = (part(spectrum)[..., :used] for part in (tf.math.real, tf.math.imag))
        # Several times faster than `tf.abs`, which guards against squares too large for a float.
        mel = tf.tensordot(tf.sqrt(real * real + imag * imag), matrix[:used], 1)
        return tf.math.log(self.log_offset + self.log_scale * mel)


@gin.configurable
def log_mel_preset(name: str = "released", sample_rate: int = 48_000, mel_bins: int = 80) -> LogMel:
    """Returns a spectrogram by name.

    'released' is that of the released BraVe code, the defaults of `LogMel`. '25ms' has the windows that are
    usual in speech and sound recognition, 25 ms every 10 ms (1024 frames for 10.24 s), padded to an FFT so
    fine that no band is empty (with up to 128 bands, at 8 kHz or more); bands and logarithm are the same.

    Args:
      name: 'released' or '25ms'.
      sample_rate: of the PCM, Hz.
      mel_bins: number of mel bands.

    Raises:
      UserError: there is no such preset, or a number cannot be used.
    """
    if sample_rate <= 0:
        raise UserError(f"log_mel_preset.sample_rate = {sample_rate}: expected Hz above 0.")
    common = {"sample_rate": sample_rate, "mel_bins": mel_bins}
    if name == "released":
        return LogMel(**common)
    if name != "25ms":
        raise UserError(f"log_mel_preset.name = {name!r}: expected 'released' or '25ms'.")
    frame_length = round(0.025 * sample_rate)
    return LogMel(
        frame_length=frame_length,
        frame_step=round(0.010 * sample_rate),
        fft_length=2 ** (1 + math.ceil(math.log2(frame_length))),
        upper_hz=min(7600.0, sample_rate / 2),
        **common,
    )


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
            "every %.0f Hz, too few for bands this narrow. A longer LogMel.frame_length, fewer "
            "LogMel.mel_bins or log_mel_preset.name = '25ms' fills them.",
            len(empty),
            config.mel_bins,
            empty,
            config.sample_rate,
            config.fft_length or config.frame_length,
            config.sample_rate / (config.fft_length or config.frame_length),
        )
