"""Pre-activation residual networks on images (He et al., "Identity Mappings", ECCV 2016).

The layout is that of Haiku's and Sonnet's `ResNetV2`, so that weights of either fit the other: a stem
without normalisation, the stride on the 3x3 convolution of a bottleneck, a projection shortcut
taken after the first pre-activation, and a normalisation and relu after the last block.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Callable

import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.norm import norm_relu
from brave_tf.models.point_conv import StridedPointConv

layers = tf.keras.layers

Shift = Callable[[tf.Tensor, str], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Blocks and output channels of each stage, and the kind of block.

    `project_first` gives the first stage a projection shortcut although its stride is one.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    bottleneck: bool
    project_first: bool

    def __post_init__(self):
        if len(self.blocks) != len(self.widths) or min(self.blocks + self.widths, default=0) < 1:
            raise UserError(
                f"blocks = {self.blocks}, widths = {self.widths}: expected one positive number of "
                "blocks and one positive width for each stage."
            )

    @classmethod
    def basic(cls, blocks: Sequence[int], widths: Sequence[int]) -> Layout:
        """Blocks of two 3x3 convolutions."""
        return cls(tuple(blocks), tuple(widths), bottleneck=False, project_first=False)

    @classmethod
    def bottlenecks(cls, blocks: Sequence[int], widths: Sequence[int]) -> Layout:
        """Blocks of a 1x1, a 3x3 and a 1x1 convolution, the first two a quarter as wide."""
        return cls(tuple(blocks), tuple(widths), bottleneck=True, project_first=True)


_BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_BOTTLENECK = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}


def base_width(width_multiplier: float) -> int:
    """Channels of the stem, 64 * width_multiplier; raises UserError when there would be none."""
    width = round(64 * width_multiplier)
    if width < 1:
        raise UserError(f"width_multiplier = {width_multiplier}: expected at least 1/64.")
    return width


def layout(depth: int, width_multiplier: float = 1) -> Layout:
    """The layout of an ImageNet depth; raises UserError for a depth that is not known."""
    widths = [base_width(width_multiplier) * 2**stage for stage in range(4)]
    if depth in _BASIC:
        return Layout.basic(_BASIC[depth], widths)
    if depth in _BOTTLENECK:
        return Layout.bottlenecks(_BOTTLENECK[depth], [4 * width for width in widths])
    known = ", ".join(map(str, [*_BASIC, *_BOTTLENECK]))
    raise UserError(f"depth = {depth}: expected one of {known}.")


def conv(filters: int, kernel: int, stride: int, name: str) -> layers.Conv2D:
    """A convolution without bias, SAME padding, He-normal weights (truncated, by fan-in)."""
    kind = StridedPointConv if kernel == 1 and stride > 1 else layers.Conv2D
    return kind(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )


def stem(x: tf.Tensor, filters: int) -> tf.Tensor:
    """(N, H, W, C) -> (N, H/4, W/4, filters): 7x7 convolution and 3x3 max pool, each of stride 2."""
    x = conv(filters, 7, 2, name="stem_conv")(x)
    return layers.MaxPool2D(3, 2, padding="same", name="stem")(x)


def stages(x: tf.Tensor, plan: Layout, shift: Shift | None = None) -> tf.Tensor:
    """All residual stages and the last normalisation and relu.

    Args:
      x: (N, h, w, C), the stem's output.
      plan: blocks and channels per stage; every stage but the first halves the resolution.
      shift: see `block`.

    Returns:
      (N, h', w', plan.widths[-1]). The stages end in layers `stage_1`, `stage_2`, ..., and the
      result is the layer `last_conv`.
    """

    def make(x: tf.Tensor, filters: int, stage: int, first: bool, **names: str) -> tf.Tensor:
        return block(
            x,
            filters,
            stride=halving(stage, first),
            bottleneck=plan.bottleneck,
            project=first and (stage > 1 or plan.project_first),
            shift=shift,
            **names,
        )

    return norm_relu(chained(x, plan.blocks, plan.widths, make), "last_norm", "last_conv")


def chained(
    x: tf.Tensor, blocks: Sequence[int], widths: Sequence[int], make: Callable[..., tf.Tensor]
) -> tf.Tensor:
    """Chains the blocks of all stages, of which the last layers are called `stage_1`, `stage_2`, ...

    Args:
      x: the stem's output.
      blocks: how many each stage has.
      widths: channels of each stage.
      make: `make(x, filters, stage, first, name=..., output_name=...)` makes a block; stages count from 1,
        `first` is whether it is the first of its stage, and `output_name` is that of its last layer.
    """
    for stage, (count, filters) in enumerate(zip(blocks, widths), start=1):
        for number in range(1, count + 1):
            name = f"stage_{stage}_block_{number}"
            output_name = f"stage_{stage}" if number == count else name
            x = make(x, filters, stage, number == 1, name=name, output_name=output_name)
    return x


def halving(stage: int, first: bool) -> int:
    """Returns the stride of a block where every stage but the first halves the resolution."""
    return 2 if stage > 1 and first else 1


def block(
    x: tf.Tensor,
    filters: int,
    *,
    stride: int,
    bottleneck: bool,
    project: bool,
    shift: Shift | None,
    name: str,
    output_name: str,
) -> tf.Tensor:
    """A pre-activation residual block: (N, h, w, C) -> (N, h / stride, w / stride, filters).

    Args:
      x: input.
      filters: channels of the output.
      stride: spatial stride; odd sizes round up.
      bottleneck: 1x1, 3x3, 1x1 convolutions instead of 3x3, 3x3.
      project: whether the shortcut is a 1x1 convolution of the first pre-activation.
      shift: `shift(x, layer_name)`, applied before the branch's first convolution.
      name: prefix of the layer names.
      output_name: name of the layer that adds shortcut and branch.
    """
    if bottleneck:
        convs = [(filters // 4, 1, 1), (filters // 4, 3, stride), (filters, 1, 1)]
    else:
        convs = [(filters, 3, stride), (filters, 3, 1)]
    shortcut = x
    for i, (size, kernel, step) in enumerate(convs):
        x = norm_relu(x, f"{name}_norm_{i}", f"{name}_relu_{i}")
        if i == 0 and project:
            shortcut = conv(filters, 1, stride, name=f"{name}_shortcut")(x)
        if i == 0 and shift is not None:
            x = shift(x, f"{name}_shift")
        x = conv(size, kernel, step, name=f"{name}_conv_{i}")(x)
    return layers.Add(name=output_name)([shortcut, x])
