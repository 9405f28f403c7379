"""S3D-G: separable 3-D inception with gated features (Xie et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.models import clip_layers
from brave_tf.models.clip_layers import ClipMaxPool, Size
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.norm import norm_relu
from brave_tf.models.precision import full_dtype
from brave_tf.models.resnet_v2 import base_width

layers = tf.keras.layers

# Channels of a mixed block: 1x1, (reduce, 3x3), (reduce, 3x3), 1x1 after the pool; of each stage.
_Widths = Sequence[int]
_STAGES = {
    2: ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    3: (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    4: ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
}
# Window and strides of the pool before each stage.
_POOLS = {2: ((1, 3, 3), (1, 2, 2)), 3: ((3, 3, 3), (2, 2, 2)), 4: ((2, 2, 2), (2, 2, 2))}


@gin.configurable
def s3d(
    gating: bool = True,
    width_multiplier: float = 1,
    channels: int = 3,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "s3d",
) -> tf.keras.Model:
    """Builds clips (B, T, H, W, channels) -> features (B, 1024 * width_multiplier) float32.

    An inception network in which every k x k x k convolution, the stem's 7x7x7 too, is a 1 x k x k and
    a k x 1 x 1 one. Gating multiplies each of the four branches of the nine mixed blocks with weights
    in (0, 1) for its channels, a sigmoid of a linear layer of the branch's mean over time and space.
    The end has (T / 8, H / 32, W / 32), sizes rounded up, for any B, T, H, W.

    Convolutions have no bias, batch normalisation and relu follow each, padding is SAME. There are
    9,098,000 weights with gating and 7,910,048 without, two per channel of batch normalisation
    and the gates' biases included, moving statistics not.

    Args:
      gating: whether to gate, S3D-G, or not, S3D.
      width_multiplier: multiplies the channels of every layer.
      channels: of the input, 3 for rgb, 2 for flow.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.

    Returns:
      A model with the layers `stem`, `stage_1` (after the convolutions), `stage_2` to `stage_4` (mixed
      blocks 3, 4 and 5), `last_conv` on (B, t, h, w, C), and `embedding`, the output.

    Raises:
      UserError: unknown stage, or a width multiplier that is not positive.
    """
    base = base_width(width_multiplier)
    clips = tf.keras.Input((None, None, None, channels), name="clips")
    x = _separable(clips, base, 7, "stem_conv", strides=(2, 2, 2))
    x = ClipMaxPool((1, 3, 3), (1, 2, 2), name="stem")(x)
    x = _unit(x, base, (1, 1, 1), "stage_1_conv_0")
    x = _separable(x, 3 * base, 3, "stage_1_conv_1", output_name="stage_1")
    for stage, blocks in _STAGES.items():
        x = ClipMaxPool(*_POOLS[stage], name=f"stage_{stage}_pool")(x)
        for b, widths in enumerate(blocks, start=1):
            widths = [max(1, round(width * width_multiplier)) for width in widths]
            block = f"stage_{stage}_block_{b}"
            x = mixed(x, widths, gating, block, f"stage_{stage}" if b == len(blocks) else block)
    x = layers.Activation("linear", name="last_conv")(x)
    features = layers.GlobalAveragePooling3D(name="embedding", dtype=full_dtype())(x)
    return backbone(clips, features, name, checkpoint_stages)


def mixed(x: tf.Tensor, widths: _Widths, gating: bool, name: str, output_name: str) -> tf.Tensor:
    """Four branches side by side: (B, t, h, w, C) -> (B, t, h, w, sum of the branches' channels).

    Args:
      x: input.
      widths: channels of the 1x1x1 convolution; of the 1x1x1 one that reduces and the separable
        3x3x3 one, twice; and of the 1x1x1 one after a 3x3x3 max pool.
      gating: whether each branch is gated.
      name: prefix of the layer names.
      output_name: name of the layer that joins the branches.
    """
    one, reduce_two, two, reduce_three, three, four = widths
    pooled = ClipMaxPool((3, 3, 3), (1, 1, 1), name=f"{name}_pool")(x)
    branches = [
        _unit(x, one, (1, 1, 1), f"{name}_a"),
        _separable(_unit(x, reduce_two, (1, 1, 1), f"{name}_b_reduce"), two, 3, f"{name}_b"),
        _separable(_unit(x, reduce_three, (1, 1, 1), f"{name}_c_reduce"), three, 3, f"{name}_c"),
        _unit(pooled, four, (1, 1, 1), f"{name}_d"),
    ]
    if gating:
        branches = [gate(branch, f"{name}_{key}_gate") for branch, key in zip(branches, "abcd")]
    return layers.Concatenate(name=output_name)(branches)


def gate(x: tf.Tensor, name: str) -> tf.Tensor:
    """Feature gating: x times sigmoid(W mean(x) + b), the mean over time and space."""
    mean = layers.GlobalAveragePooling3D(
        keepdims=True,
        name=f"{name}_mean",
        dtype=full_dtype(),  # float16 sums would overflow
    )(x)
    weight = layers.Dense(x.shape[-1], activation="sigmoid", name=f"{name}_weight")(mean)
    return layers.Multiply(name=name)([x, weight])


def _unit(
    x: tf.Tensor,
    filters: int,
    kernel: Size,
    name: str,
    strides: Size = (1, 1, 1),
    output_name: str | None = None,
) -> tf.Tensor:
    x = clip_layers.conv(filters, kernel, strides, f"{name}_conv")(x)
    return norm_relu(x, f"{name}_norm", output_name or name)


def _separable(
    x: tf.Tensor,
    filters: int,
    size: int,
    name: str,
    strides: Size = (1, 1, 1),
    output_name: str | None = None,
) -> tf.Tensor:
    time, *space = strides
    x = _unit(x, filters, (1, size, size), f"{name}_space", (1, *space))
    return _unit(x, filters, (size, 1, 1), f"{name}_time", (time, 1, 1), output_name or name)
