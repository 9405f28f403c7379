"""R(2+1)D: residual networks of separate convolutions over space and time (Tran et al., CVPR 2018)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models import resnet_3d, resnet_v2
from brave_tf.models.clip_layers import Size
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.norm import norm_relu
from brave_tf.models.precision import full_dtype

layers = tf.keras.layers

_STEM_PLANES = 45
_STRIDES = (1, 2, 2, 2)
_PLANES_OF = ("convolution", "block")


@dataclasses.dataclass(frozen=True)
class _Factorised(resnet_3d.Conv):
    """A convolution in two halves. `planes`: channels between them; None: by those that come in."""

    planes: int | None = None


@gin.configurable
def r2plus1d(
    depth: int = 18,
    width_multiplier: float = 1,
    channels: int = 3,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "r2plus1d",
    planes_of: str = "convolution",
    padding: str = "same",
) -> tf.keras.Model:
    """Builds clips (B, T, H, W, channels) -> features (B, D) float32, for any B, T, H, W.

    D is 512 * width_multiplier at depths 18 and 34 and 2048 * width_multiplier from depth 50 on. A
    3x3x3 convolution from i to o channels is a 1x3x3 one to m channels, batch normalisation, relu
    and a 3x1x1 one, with m = floor(27 i o / (9 i + 3 o)), which keeps the number of weights
    (section 3.5). Bottlenecks have one such pair between 1x1x1 convolutions. The stem is 1x7x7 with 45
    channels and stride 2 in space, then 3x1x1; there is no pool. Stages 2 to 4 halve time and space:
    (T / 8, H / 16, W / 16) at the end, sizes rounded up.

    Convolutions have no bias, batch normalisation follows each. Depth 18 has 33,165,639 weights, depth 50
    46,165,457, two per channel of batch normalisation included, its moving statistics not. Torchvision's
    network of depth 18, which GDT uses, takes m of a block, 31,300,125 weights, and pads as PyTorch does:
    `planes_of = 'block'`, `padding = 'torch'`.

    Args:
      depth: 18, 34 (basic blocks), 50, 101, 152 or 200 (bottlenecks).
      width_multiplier: multiplies the channels of every layer.
      channels: of the input, 3 for rgb, 2 for flow.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.
      planes_of: `convolution`, or `block` for the same m in both convolutions of a basic block, with i of
        the block.
      padding: `same`, or `torch` for as many zeros before as after.

    Returns:
      A model with the layers `stem`, `stage_1` to `stage_4`, `last_conv` on (B, t, h, w, C), and
      `embedding`, the output.

    Raises:
      UserError: unknown depth, stage or padding, or `planes_of` cannot be used.
    """
    plan = resnet_v2.layout(depth, width_multiplier)
    usable = _PLANES_OF[:1] if plan.bottleneck else _PLANES_OF
    if planes_of not in usable:
        raise UserError(
            f"r2plus1d.planes_of = {planes_of!r}: expected {' or '.join(map(repr, usable))} at depth {depth}."
        )

    def branch(stage: int, filters: int, strides: Size) -> list[resnet_3d.Conv]:
        if plan.bottleneck:
            return [
                resnet_3d.Conv(filters // 4, (1, 1, 1)),
                _Factorised(filters // 4, (3, 3, 3), strides, padding),
                resnet_3d.Conv(filters, (1, 1, 1)),
            ]
        planes = None
        if planes_of == "block":
            inputs = filters if strides == (1, 1, 1) else plan.widths[stage - 2]
            planes = middle_planes(inputs, filters)
        return [
            _Factorised(filters, (3, 3, 3), each, padding, planes) for each in (strides, (1, 1, 1))
        ]

    clips = tf.keras.Input((None, None, None, channels), name="clips")
    width, planes = resnet_v2.base_width(width_multiplier), round(_STEM_PLANES * width_multiplier)
    stem = _Factorised(width, (3, 7, 7), (1, 2, 2), padding, planes)
    x = norm_relu(_convolve(clips, stem, "stem_conv"), "stem_norm", "stem")
    x = resnet_3d.stages(x, plan, [(s, s, s) for s in _STRIDES], branch, _convolve)
    features = layers.GlobalAveragePooling3D(name="embedding", dtype=full_dtype())(x)
    return backbone(clips, features, name, checkpoint_stages)


def middle_planes(inputs: int, outputs: int) -> int:
    """Channels between the two halves of a 3x3x3 convolution: as many weights as it has itself."""
    return 27 * inputs * outputs // (9 * inputs + 3 * outputs)


def _convolve(x: tf.Tensor, conv: resnet_3d.Conv, name: str) -> tf.Tensor:
    """A convolution as it is, or over space, with batch normalisation and relu, and then over time."""
    if not isinstance(conv, _Factorised):
        return resnet_3d.plain(x, conv, name)
    (time, *space), (time_stride, *space_strides) = conv.kernel, conv.strides
    planes = conv.planes or middle_planes(x.shape[-1], conv.filters)
    spatial = resnet_3d.Conv(planes, (1, *space), (1, *space_strides), conv.padding)
    temporal = resnet_3d.Conv(conv.filters, (time, 1, 1), (time_stride, 1, 1), conv.padding)
    x = resnet_3d.plain(x, spatial, f"{name}_space")
    x = norm_relu(x, f"{name}_space_norm", f"{name}_space_relu")
    return resnet_3d.plain(x, temporal, f"{name}_time")
