"""Post-activation residual networks on clips (He et al., "Deep Residual Learning", CVPR 2016, in 3-D).

Every convolution is followed by batch normalisation; the relu of a block comes after its sum. A
shortcut that changes size or channels is a 1x1x1 convolution with batch normalisation.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Callable

import tensorflow as tf

from brave_tf.models import clip_layers
from brave_tf.models.clip_layers import Size
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.norm import batch_norm, norm_relu
from brave_tf.models.precision import full_dtype
from brave_tf.models.resnet_v2 import Layout, chained

layers = tf.keras.layers

# Frames that the first convolution of a bottleneck sees, by stage, and strides of the stages.
_INFLATED_TIMES = (1, 1, 3, 3)
_INFLATED_STRIDES = ((1, 1, 1), (1, 2, 2), (1, 2, 2), (1, 2, 2))


@dataclasses.dataclass(frozen=True)
class Conv:
    """Channels, kernel, strides and padding (see `clip_layers.conv`) of a convolution."""

    filters: int
    kernel: Size
    strides: Size = (1, 1, 1)
    padding: str = "same"


Convolve = Callable[[tf.Tensor, Conv, str], tf.Tensor]
Branch = Callable[[int, int, Size], Sequence[Conv]]


def plain(x: tf.Tensor, conv: Conv, name: str) -> tf.Tensor:
    """A convolution as it is."""
    return clip_layers.conv(conv.filters, conv.kernel, conv.strides, name, conv.padding)(x)


def stages(
    x: tf.Tensor,
    plan: Layout,
    strides: Sequence[Size],
    branch: Branch,
    convolve: Convolve = plain,
) -> tf.Tensor:
    """All residual stages.

    Args:
      x: (B, t, h, w, C), the stem's output.
      plan: blocks and channels per stage.
      strides: strides of the first block of each stage.
      branch: `branch(stage, filters, strides)` says which convolutions a block has; stages count
        from 1.
      convolve: `convolve(x, conv, name)` makes one of the branch's convolutions.

    Returns:
      (B, t', h', w', plan.widths[-1]). The stages end in layers `stage_1`, `stage_2`, ..., and the
      result is the layer `last_conv`.
    """

    def make(x: tf.Tensor, filters: int, stage: int, first: bool, **names: str) -> tf.Tensor:
        convs = branch(stage, filters, strides[stage - 1] if first else (1, 1, 1))
        return block(x, convs, convolve, **names)

    x = chained(x, plan.blocks, plan.widths, make)
    return layers.Activation("linear", name="last_conv")(x)


def block(
    x: tf.Tensor, convs: Sequence[Conv], convolve: Convolve, name: str, output_name: str
) -> tf.Tensor:
    """A post-activation residual block.

    Args:
      x: (B, t, h, w, C).
      convs: the branch's convolutions.
      convolve: see `stages`.
      name: prefix of the layer names.
      output_name: name of the last relu.

    Returns:
      (B, t', h', w', filters of the last convolution); odd sizes divided by a stride round up.
    """
    strides = tuple(math.prod(steps) for steps in zip(*(conv.strides for conv in convs)))
    shortcut = x
    if strides != (1, 1, 1) or x.shape[-1] != convs[-1].filters:
        projection = Conv(convs[-1].filters, (1, 1, 1), strides)
        shortcut = plain(x, projection, f"{name}_shortcut")
        shortcut = batch_norm(name=f"{name}_shortcut_norm")(shortcut)
    for i, conv in enumerate(convs):
        x = convolve(x, conv, f"{name}_conv_{i}")
        if i < len(convs) - 1:
            x = norm_relu(x, f"{name}_norm_{i}", f"{name}_relu_{i}")
    x = batch_norm(name=f"{name}_norm_{len(convs) - 1}")(x)
    return layers.ReLU(name=output_name)(layers.Add(name=f"{name}_sum")([shortcut, x]))


def inflated(
    stem: Conv,
    plan: Layout,
    channels: int,
    checkpoint_stages: bool | Sequence[int],
    name: str,
) -> tf.keras.Model:
    """A residual network of bottlenecks whose 1x1 convolutions become ones over time in the last two stages.

    The slow pathway of SlowFast (Feichtenhofer et al., ICCV 2019): a stem, a 1x3x3 max pool of stride 2
    over space, and bottlenecks whose first convolution is 1x1x1 in stages 1 and 2 and 3x1x1 in stages 3 and
    4. Only the stem can reduce time.

    Args:
      stem: the first convolution.
      plan: blocks and channels per stage, of bottlenecks.
      channels: of the input.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.

    Returns:
      A model of clips (B, T, H, W, channels) -> (B, plan.widths[-1]), with the layers `stem`, `stage_1` to
      `stage_4`, `last_conv` on (B, t, h, w, C), and `embedding`, the output.
    """

    def branch(stage: int, filters: int, strides: Size) -> list[Conv]:
        return [
            Conv(filters // 4, (_INFLATED_TIMES[stage - 1], 1, 1)),
            Conv(filters // 4, (1, 3, 3), strides),
            Conv(filters, (1, 1, 1)),
        ]

    clips = tf.keras.Input((None, None, None, channels), name="clips")
    x = norm_relu(plain(clips, stem, "stem_conv"), "stem_norm", "stem_relu")
    x = clip_layers.ClipMaxPool((1, 3, 3), (1, 2, 2), name="stem")(x)
    x = stages(x, plan, _INFLATED_STRIDES, branch)
    features = layers.GlobalAveragePooling3D(name="embedding", dtype=full_dtype())(x)
    return backbone(clips, features, name, checkpoint_stages)
