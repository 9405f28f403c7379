"""Residual networks on log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.models import resnet_v2
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.precision import full_dtype
from brave_tf.models.spectrogram import AsImage


@gin.configurable
def audio_resnet(
    depth: int = 50,
    width_multiplier: float = 1,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "audio_resnet",
) -> tf.keras.Model:
    """Builds log-mel (B, frames, bins) -> features (B, D) float32, for any B, frames, bins.

    A pre-activation ResNet on the spectrogram as a one-channel image. D is 2048 * width_multiplier,
    or 512 * width_multiplier at depths 18 and 34.

    Args:
      depth: 18, 34 (basic blocks), 50, 101, 152 or 200 (bottlenecks).
      width_multiplier: multiplies the channels of every layer.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.

    Returns:
      A model with the layers `stem`, `stage_1` to `stage_4`, `last_conv` and `embedding`, the
      output, as endpoints.

    Raises:
      UserError: unknown depth or stage.
    """
    plan = resnet_v2.layout(depth, width_multiplier)
    log_mel = tf.keras.Input((None, None), name="log_mel")
    x = AsImage(name="image")(log_mel)
    x = resnet_v2.stem(x, resnet_v2.base_width(width_multiplier))
    x = resnet_v2.stages(x, plan)
    features = tf.keras.layers.GlobalAveragePooling2D(name="embedding", dtype=full_dtype())(x)
    return backbone(log_mel, features, name, checkpoint_stages)
