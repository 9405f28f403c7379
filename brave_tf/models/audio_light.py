"""A small residual network on log-mel spectrograms that trains on a laptop CPU in minutes."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.models import resnet_v2
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.precision import full_dtype
from brave_tf.models.spectrogram import AsImage, BandAverages


@gin.configurable
def audio_light(
    widths: Sequence[int] = (32, 64, 128),
    blocks: Sequence[int] = (1, 1, 1),
    stem_kernel: int = 7,
    stem_stride: int = 4,
    bands: int = 1,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "audio_light",
) -> tf.keras.Model:
    """Builds log-mel (B, frames, bins) -> features (B, bands * widths[-1]) float32, for any B, frames, bins.

    Args:
      widths: channels of each stage; every stage but the first halves the resolution.
      blocks: residual blocks of each stage.
      stem_kernel: kernel size of the first convolution.
      stem_stride: stride of the first convolution, in time and frequency.
      bands: bands of frequency that are averaged by themselves. One forgets how high a sound is, but for
        what the convolutions see at the edges; several keep it.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.

    Returns:
      A model with the layers `stem`, `stage_1`, ..., `last_conv`, `embedding` as endpoints.

    Raises:
      UserError: there is not one band.
    """
    log_mel = tf.keras.Input((None, None), name="log_mel")
    x = AsImage(name="image")(log_mel)
    x = resnet_v2.conv(widths[0], stem_kernel, stem_stride, name="stem")(x)
    x = resnet_v2.stages(x, resnet_v2.Layout.basic(blocks, widths))
    embedding = {"name": "embedding", "dtype": full_dtype()}
    if bands == 1:
        features = tf.keras.layers.GlobalAveragePooling2D(**embedding)(x)
    else:
        features = BandAverages(bands, **embedding)(x)
    return backbone(log_mel, features, name, checkpoint_stages)
