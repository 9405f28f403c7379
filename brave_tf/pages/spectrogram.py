"""Spectrograms as pictures."""

from __future__ import annotations

import functools

import numpy as np

from brave_tf.data.views.log_mel import LogMel
from brave_tf.pages import pictures

DECIBELS = 80.0
_FRAMES = 2000
_HIGHEST_HZ = 16_000


def spectrogram(sound: np.ndarray, rate: float) -> tuple[np.ndarray, float, float]:
    """Draws the log-mel spectrogram, `DECIBELS` below the loudest value in black.

    Args:
      sound: (samples,) float32.
      rate: samples per second.

    Returns:
      (bins, frames, 3) uint8 RGB with high tones above, and the lowest and the highest frequency, Hz.
    """
    log_mel = _log_mel(round(rate), max(1, round(rate) // 100, len(sound) // _FRAMES))
    loudness = decibels(np.exp(log_mel(sound[None]).numpy()[0]))
    values = (loudness - loudness.max()) / DECIBELS + 1
    return pictures.heat(values.T[::-1]), log_mel.lower_hz, log_mel.upper_hz


def mels(hertz: float) -> float:
    """Returns a frequency on the mel scale of `tf.signal.linear_to_mel_weight_matrix` (HTK's)."""
    return 1127.0 * float(np.log1p(hertz / 700.0))


def decibels(amplitude: np.ndarray) -> np.ndarray:
    """Returns amplitudes in dB."""
    return 20 * np.log10(np.maximum(amplitude, 1e-9))


@functools.cache
def _log_mel(rate: int, step: int) -> LogMel:
    """A spectrogram of 25 ms windows, of what a recording of this rate can hold, up to 16 kHz."""
    length = max(2, rate // 40)
    return LogMel(
        sample_rate=rate,
        frame_length=length,
        frame_step=step,
        fft_length=max(4096, 1 << length.bit_length()),
        mel_bins=64,
        lower_hz=60.0 if rate > 1000 else 0.0,
        upper_hz=min(rate / 2, _HIGHEST_HZ),
        log_offset=1e-9,
        log_scale=1.0,
    )
