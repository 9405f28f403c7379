"""AVID's network on clips: a small R(2+1)D with as many channels between its halves as after them."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.models import clip_layers, resnet_v2
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.norm import norm_relu
from brave_tf.models.precision import full_dtype

layers = tf.keras.layers


@gin.configurable
def avid_video(
    width_multiplier: float = 1,
    channels: int = 3,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "avid_video",
) -> tf.keras.Model:
    """Builds clips (B, T, H, W, channels) -> features (B, 512 * width_multiplier) float32.

    The R(2+1)D-18 of AVID and AVID-CMA (Morgado et al., CVPR 2021). A 3x7x7 stem of stride 2 in space, a
    1x3x3 max pool, and four stages of two blocks with 64, 128, 256 and 512 channels. A block has a 1x3x3, a
    3x1x1, a 1x3x3 and a 3x1x1 convolution, all of the same width. Its last normalisation and relu come after
    the sum, and a shortcut that changes size is a 1x1x1 convolution without normalisation. Stages 2 to 4
    halve time and space: (T / 8, H / 32, W / 32) at the end, sizes rounded up, for any B, T, H, W. Features
    are maxima over time and space.

    Convolutions have no bias, batch normalisation and relu follow all but the last of a block, padding is
    SAME. There are 15,379,136 weights, two per channel of batch normalisation included, its moving statistics
    not. The released network has as many; where they do not tell, as of the max pool and of the order in a
    block, the layers are assumed.

    Args:
      width_multiplier: multiplies the channels of every layer.
      channels: of the input, 3 for rgb, 2 for flow.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.

    Returns:
      A model with the layers `stem`, `stage_1` to `stage_4`, `last_conv` on (B, t, h, w, C), and
      `embedding`, the output.

    Raises:
      UserError: unknown stage, or there would be no channels.
    """
    plan = resnet_v2.layout(18, width_multiplier)
    clips = tf.keras.Input((None, None, None, channels), name="clips")
    x = clip_layers.conv(plan.widths[0], (3, 7, 7), (1, 2, 2), "stem_conv")(clips)
    x = norm_relu(x, "stem_norm", "stem_relu")
    x = clip_layers.ClipMaxPool((1, 3, 3), (1, 2, 2), name="stem")(x)
    x = resnet_v2.chained(x, plan.blocks, plan.widths, _block)
    x = layers.Activation("linear", name="last_conv")(x)
    features = layers.GlobalMaxPooling3D(name="embedding", dtype=full_dtype())(x)
    return backbone(clips, features, name, checkpoint_stages)


def _block(
    x: tf.Tensor, filters: int, stage: int, first: bool, name: str, output_name: str
) -> tf.Tensor:
    """(B, t, h, w, C) -> (B, t / s, h / s, w / s, filters), rounded up, by the stride s of the block."""
    stride, shortcut = resnet_v2.halving(stage, first), x
    if stride > 1:
        shortcut = clip_layers.conv(filters, (1, 1, 1), (stride,) * 3, f"{name}_shortcut")(x)
    for i, step in enumerate((stride, 1)):
        if i > 0:
            x = norm_relu(x, f"{name}_norm", f"{name}_relu")
        x = clip_layers.conv(filters, (1, 3, 3), (1, step, step), f"{name}_conv_{i}_space")(x)
        x = norm_relu(x, f"{name}_conv_{i}_space_norm", f"{name}_conv_{i}_space_relu")
        x = clip_layers.conv(filters, (3, 1, 1), (step, 1, 1), f"{name}_conv_{i}_time")(x)
    x = layers.Add(name=f"{name}_sum")([shortcut, x])
    return norm_relu(x, f"{name}_sum_norm", output_name)
