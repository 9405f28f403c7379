"""Masks over time and frequency for spectrograms."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.errors import UserError


@gin.configurable
def spec_augment(
    spectrogram: tf.Tensor,
    seed: tf.Tensor,
    time_masks: int = 2,
    max_time: float = 0.1,
    frequency_masks: int = 2,
    max_frequency: float = 0.2,
    value: float | None = None,
) -> tf.Tensor:
    """Hides stretches of time and bands of frequency.

    This is SpecAugment (Park et al., Interspeech 2019) without time warping. Each mask's width is
    uniform from 0 to the maximum, and its place is uniform where it fits.

    Args:
      spectrogram: (frames, bins) float32.
      seed: (2,) int32.
      time_masks: number of masks over time.
      max_time: widest of them, as a fraction of the frames.
      frequency_masks: number of masks over frequency.
      max_frequency: widest of them, as a fraction of the bins.
      value: what masked values become; None: the spectrogram's mean.

    Returns:
      float32 of the same shape.

    Raises:
      UserError: a fraction is outside [0, 1].
    """
    for name, widest in (("max_time", max_time), ("max_frequency", max_frequency)):
        if not 0 <= widest <= 1:
            raise UserError(f"spec_augment.{name} = {widest}: expected a fraction from 0 to 1.")
    frames, bins = spectrogram.shape
    time_seed, frequency_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    hidden_frames = _masked(frames, time_masks, max_time, time_seed)
    hidden_bins = _masked(bins, frequency_masks, max_frequency, frequency_seed)
    hidden = hidden_frames[:, tf.newaxis] | hidden_bins[tf.newaxis, :]
    shown = tf.reduce_mean(spectrogram) if value is None else value
    return tf.where(hidden, shown, spectrogram)


def _masked(length: int, masks: int, widest: float, seed: tf.Tensor) -> tf.Tensor:
    """Returns (length,) bool: the positions under any of the masks."""
    draws = tf.random.stateless_uniform((2, masks, 1), seed)
    widths = tf.floor(draws[0] * (int(widest * length) + 1))
    starts = tf.floor(draws[1] * (length - widths + 1))
    positions = tf.range(length, dtype=tf.float32)
    return tf.reduce_any((positions >= starts) & (positions < starts + widths), axis=0)
