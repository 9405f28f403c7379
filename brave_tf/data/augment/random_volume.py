"""Louder or softer sound."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.errors import UserError


@gin.configurable
def random_volume(sound: tf.Tensor, seed: tf.Tensor, reach: float = 0.1) -> tf.Tensor:
    """Multiplies sound by one factor, uniform from 1 - reach to 1 + reach; the default is AVID's and GDT's.

    It is for `AudioView.sound_augmentations`: a spectrogram may be a logarithm.

    Args:
      sound: (samples,) float32.
      seed: (2,) int32.
      reach: of the factor around 1, in [0, 1).

    Raises:
      UserError: `reach` is outside [0, 1), or the values are no samples.
    """
    if not 0 <= reach < 1:
        raise UserError(f"random_volume.reach = {reach}: expected 0 or more, and below 1.")
    if sound.shape.rank != 1:
        raise UserError(
            f"random_volume works on samples, but was given values of shape {tuple(sound.shape)}. Bind it in "
            "AudioView.sound_augmentations."
        )
    return sound * tf.random.stateless_uniform((), seed, 1 - reach, 1 + reach)
