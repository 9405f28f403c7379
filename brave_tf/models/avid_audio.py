"""AVID's network on spectrograms: nine convolutions, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.models import resnet_v2
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.norm import norm_relu
from brave_tf.models.precision import full_dtype
from brave_tf.models.spectrogram import AsImage

_STRIDES = (2, 2, 2, 1)


@gin.configurable
def avid_audio(
    width_multiplier: float = 1,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "avid_audio",
) -> tf.keras.Model:
    """Builds spectrograms (B, frames, bins) -> features (B, 512 * width_multiplier) float32.

    The convolutional network of AVID and AVID-CMA (Morgado et al., CVPR 2021), for any B, frames, bins. A 7x7
    stem of stride 2, and four stages of two 3x3 convolutions with 64, 128, 256 and 512 channels, of which the
    first three begin with a stride of 2: (frames / 16, bins / 16) at the end, sizes rounded up. There are no
    shortcuts. Features are the maxima over time and frequency.

    Convolutions have no bias, batch normalisation and relu follow each, padding is SAME. There are 4,725,696
    weights, two per channel of batch normalisation included, its moving statistics not. The released network
    has as many, and nine convolutions; their strides are assumed.

    Args:
      width_multiplier: multiplies the channels of every layer.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.

    Returns:
      A model with the layers `stem`, `stage_1` to `stage_4`, `last_conv` and `embedding`, the output, as
      endpoints.

    Raises:
      UserError: unknown stage, or there would be no channels.
    """
    widths = resnet_v2.layout(18, width_multiplier).widths
    spectrograms = tf.keras.Input((None, None), name="spectrogram")
    x = AsImage(name="image")(spectrograms)
    x = norm_relu(resnet_v2.conv(widths[0], 7, 2, "stem_conv")(x), "stem_norm", "stem")
    for stage, (filters, stride) in enumerate(zip(widths, _STRIDES), start=1):
        prefix = f"stage_{stage}"
        x = resnet_v2.conv(filters, 3, stride, f"{prefix}_conv_0")(x)
        x = norm_relu(x, f"{prefix}_norm_0", f"{prefix}_relu_0")
        x = norm_relu(
            resnet_v2.conv(filters, 3, 1, f"{prefix}_conv_1")(x), f"{prefix}_norm_1", prefix
        )
    x = tf.keras.layers.Activation("linear", name="last_conv")(x)
    features = tf.keras.layers.GlobalMaxPooling2D(name="embedding", dtype=full_dtype())(x)
    return backbone(spectrograms, features, name, checkpoint_stages)
