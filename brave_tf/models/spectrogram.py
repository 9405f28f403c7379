"""The steps from log-mel spectrograms to images, and from there to features."""

from __future__ import annotations

import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.temporal import check_rank


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class AsImage(tf.keras.layers.Layer):
    """Log-mel (B, frames, bins) -> one-channel images (B, frames, bins, 1)."""

    def call(self, log_mel: tf.Tensor) -> tf.Tensor:
        check_rank(log_mel, 3, "log-mel (B, frames, bins)")
        return tf.expand_dims(log_mel, axis=-1)


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class BandAverages(tf.keras.layers.Layer):
    """Images (B, frames, bins, C) -> the averages of bands of frequency, (B, bands * C).

    The bands are equally wide, and divide the bins from the first to the last; a bin that lies in two bands
    counts in each by its share. One band gives the average of the image. The lowest band comes first.

    Args:
      bands: number of bands.
      **kwargs: those of `tf.keras.layers.Layer`.

    Raises:
      UserError: there is not one band.
    """

    def __init__(self, bands: int, **kwargs):
        super().__init__(**kwargs)
        if bands < 1:
            raise UserError(f"bands = {bands}: expected at least 1 band of frequency.")
        self.bands = bands

    def call(self, images: tf.Tensor) -> tf.Tensor:
        spectra = tf.reduce_mean(tf.cast(images, self.compute_dtype), axis=1)
        bands = tf.einsum("bfc,fn->bnc", spectra, self._shares(tf.shape(spectra)[1]))
        return tf.reshape(bands, (-1, self.bands * images.shape[-1]))

    def get_config(self) -> dict:
        return {**super().get_config(), "bands": self.bands}

    def _shares(self, bins: tf.Tensor) -> tf.Tensor:
        """Returns (bins, bands): by how much each bin counts in each band; the sum over the bins is 1."""
        bins = tf.cast(bins, tf.float32)
        edges = tf.range(self.bands + 1, dtype=tf.float32) * bins / self.bands
        lower = tf.range(bins)[:, tf.newaxis]
        inside = tf.minimum(lower + 1, edges[1:]) - tf.maximum(lower, edges[:-1])
        return tf.cast(tf.nn.relu(inside) * self.bands / bins, self.compute_dtype)
