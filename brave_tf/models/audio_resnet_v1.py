"""Post-activation residual networks on spectrograms, as GDT and XDC use them (He et al., CVPR 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models import resnet_v2
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.norm import batch_norm, norm_relu
from brave_tf.models.precision import full_dtype
from brave_tf.models.spectrogram import AsImage

layers = tf.keras.layers

# Blocks of each stage, by the convolutions and the classifier that a name counts.
_BLOCKS = {9: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


@gin.configurable
def audio_resnet_v1(
    depth: int = 9,
    width_multiplier: float = 1,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "audio_resnet_v1",
) -> tf.keras.Model:
    """Builds spectrograms (B, frames, bins) -> features (B, 512 * width_multiplier) float32.

    The ResNet for images, of one channel, for any B, frames, bins: a 7x7 stem of stride 2, a 3x3 max pool of
    stride 2, and four stages of blocks with 64, 128, 256 and 512 channels. A block has two 3x3 convolutions,
    and the last three stages halve both axes: (frames / 32, bins / 32) at the end, sizes rounded up. Features
    are averages over time and frequency.

    Convolutions have no bias, batch normalisation follows each, a shortcut that changes size is a 1x1
    convolution with normalisation, padding is SAME. Depth 9, for GDT, has 4,899,520 weights, and depth 18,
    for XDC, 11,170,240, two per channel of batch normalisation included, its moving statistics not. GDT's
    released network has 513,000 more, as many as a classifier of 1,000 classes on top.

    Args:
      depth: 9, 18 or 34.
      width_multiplier: multiplies the channels of every layer.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.

    Returns:
      A model with the layers `stem`, `stage_1` to `stage_4`, `last_conv` and `embedding`, the output, as
      endpoints.

    Raises:
      UserError: unknown depth or stage, or there would be no channels.
    """
    if depth not in _BLOCKS:
        raise UserError(
            f"audio_resnet_v1.depth = {depth}: expected one of {', '.join(map(str, _BLOCKS))}."
        )
    widths = resnet_v2.layout(18, width_multiplier).widths
    spectrograms = tf.keras.Input((None, None), name="spectrogram")
    x = AsImage(name="image")(spectrograms)
    x = norm_relu(resnet_v2.conv(widths[0], 7, 2, "stem_conv")(x), "stem_norm", "stem_relu")
    x = layers.MaxPool2D(3, 2, padding="same", name="stem")(x)
    x = resnet_v2.chained(x, _BLOCKS[depth], widths, _block)
    x = layers.Activation("linear", name="last_conv")(x)
    features = layers.GlobalAveragePooling2D(name="embedding", dtype=full_dtype())(x)
    return backbone(spectrograms, features, name, checkpoint_stages)


def _block(
    x: tf.Tensor, filters: int, stage: int, first: bool, name: str, output_name: str
) -> tf.Tensor:
    """(B, h, w, C) -> (B, h / s, w / s, filters), rounded up, by the stride s of the block."""
    stride, shortcut = resnet_v2.halving(stage, first), x
    if stride > 1:
        shortcut = resnet_v2.conv(filters, 1, stride, f"{name}_shortcut")(x)
        shortcut = batch_norm(name=f"{name}_shortcut_norm")(shortcut)
    x = resnet_v2.conv(filters, 3, stride, f"{name}_conv_0")(x)
    x = norm_relu(x, f"{name}_norm_0", f"{name}_relu_0")
    x = batch_norm(name=f"{name}_norm_1")(resnet_v2.conv(filters, 3, 1, f"{name}_conv_1")(x))
    return layers.ReLU(name=output_name)(layers.Add(name=f"{name}_sum")([shortcut, x]))
