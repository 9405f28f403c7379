"""Pre-activation residual networks on images (He et al., "Identity Mappings", ECCV 2016).

The layout is that of Haiku's `ResNetV2`, so that weights of either fit the other: a stem without
normalisation, the stride on the 3x3 convolution of the bottleneck, a projection shortcut taken
after the first pre-activation, and a normalisation and relu after the last block.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Callable, Optional

import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.norm import batch_norm

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
        if len(self.blocks) != len(self.widths) or not self.blocks or min(self.blocks) < 1:
            raise UserError(
                f"blocks = {self.blocks} and widths = {self.widths}: expected one width per stage "
                "and at least one block in each."
            )

    @classmethod
    def basic(cls, blocks: Sequence[int], widths: Sequence[int]) -> Layout:
        """Blocks of two 3x3 convolutions."""
        return cls(tuple(blocks), tuple(widths), bottleneck=False, project_first=False)

    @classmethod
    def deep(cls, *blocks: int) -> Layout:
        """Bottleneck blocks of the ImageNet networks."""
        return cls(blocks, (256, 512, 1024, 2048), bottleneck=True, project_first=True)


LAYOUTS = {
    18: Layout.basic((2, 2, 2, 2), (64, 128, 256, 512)),
    34: Layout.basic((3, 4, 6, 3), (64, 128, 256, 512)),
    50: Layout.deep(3, 4, 6, 3),
    101: Layout.deep(3, 4, 23, 3),
    152: Layout.deep(3, 8, 36, 3),
    200: Layout.deep(3, 24, 36, 3),
}


def layout(depth: int) -> Layout:
    """The layout of a depth; raises UserError that lists the known ones."""
    if depth not in LAYOUTS:
        raise UserError(f"depth = {depth}: expected one of {', '.join(map(str, LAYOUTS))}.")
    return LAYOUTS[depth]


def conv(filters: int, kernel: int, stride: int, name: str) -> layers.Conv2D:
    """A convolution without bias, SAME padding, He-normal weights (truncated, fan-in)."""
    initializer = tf.keras.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal")
    return layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=initializer,
        name=name,
    )


def norm_relu(x: tf.Tensor, norm_name: str, relu_name: str) -> tf.Tensor:
    """Normalisation, then relu."""
    return layers.ReLU(name=relu_name)(batch_norm(name=norm_name)(x))


def block(
    x: tf.Tensor,
    filters: int,
    stride: int,
    *,
    bottleneck: bool,
    project: bool,
    name: str,
    output_name: Optional[str] = None,
    shift: Optional[Shift] = None,
) -> tf.Tensor:
    """A pre-activation residual block.

    Args:
      x: (N, h, w, C).
      filters: channels of the output; a bottleneck works on a quarter of them.
      stride: spatial stride.
      bottleneck: 1x1, 3x3, 1x1 instead of 3x3, 3x3.
      project: whether the shortcut is a 1x1 convolution of the first pre-activation.
      name: prefix of the layer names.
      output_name: name of the layer that adds shortcut and branch.
      shift: applied to the residual branch before its first convolution, with a layer name.

    Returns:
      (N, ceil(h / stride), ceil(w / stride), filters).
    """
    inner = filters // 4 if bottleneck else filters
    convs = (
        [(inner, 1, 1), (inner, 3, stride), (filters, 1, 1)]
        if bottleneck
        else [(inner, 3, stride), (inner, 3, 1)]
    )
    shortcut = x
    for i, (size, kernel, step) in enumerate(convs):
        x = norm_relu(x, f"{name}_norm_{i}", f"{name}_relu_{i}")
        if i == 0 and project:
            shortcut = conv(filters, 1, stride, f"{name}_shortcut")(x)
        if i == 0 and shift is not None:
            x = shift(x, f"{name}_shift")
        x = conv(size, kernel, step, f"{name}_conv_{i}")(x)
    return layers.Add(name=output_name or f"{name}_add")([shortcut, x])


def stages(x: tf.Tensor, plan: Layout, *, width: int = 1, shift: Optional[Shift] = None):
    """All residual stages and the last normalisation and relu.

    Args:
      x: (N, h, w, C), the stem's output.
      plan: blocks and channels per stage; every stage but the first halves the resolution.
      width: multiplier of the channels.
      shift: see `block`.

    Returns:
      (N, h', w', width * plan.widths[-1]). The stages end in layers `stage_1`, `stage_2`, ..., and
      the result is the layer `last_conv`.
    """
    for s, (repeats, filters) in enumerate(zip(plan.blocks, plan.widths), start=1):
        for b in range(1, repeats + 1):
            x = block(
                x,
                filters * width,
                stride=2 if s > 1 and b == 1 else 1,
                bottleneck=plan.bottleneck,
                project=b == 1 and (s > 1 or plan.project_first),
                name=f"stage_{s}_block_{b}",
                output_name=f"stage_{s}" if b == repeats else None,
                shift=shift,
            )
    return norm_relu(x, "last_norm", "last_conv")


def stem(x: tf.Tensor, filters: int) -> tf.Tensor:
    """The 7x7 convolution with stride 2 and the 3x3 max pool with stride 2."""
    x = conv(filters, 7, 2, "stem_conv")(x)
    return layers.MaxPool2D(3, 2, padding="same", name="stem")(x)
