"""The slow pathway of SlowFast alone ("Slow-only"), as rho-BYOL uses it.

Feichtenhofer et al., "SlowFast Networks for Video Recognition" (ICCV 2019), and "A Large-Scale Study on
Unsupervised Spatiotemporal Representation Learning" (CVPR 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models import resnet_3d, resnet_v2


@gin.configurable
def slow(
    depth: int = 50,
    width_multiplier: float = 1,
    channels: int = 3,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "slow",
) -> tf.keras.Model:
    """Builds clips (B, T, H, W, channels) -> features (B, 2048 * width_multiplier) float32.

    A 1x7x7 stem of stride 2 in space, a 1x3x3 max pool, and bottlenecks whose first convolution is 1x1x1 in
    stages 1 and 2 and 3x1x1 in stages 3 and 4. Nothing reduces time: (T, H / 32, W / 32) at the end, sizes
    rounded up, for any B, T, H, W. The "8 x 8" of publications is the view: 8 frames, 8 (in rho-BYOL 9)
    frames apart.

    Convolutions have no bias, batch normalisation follows each, padding is SAME (PyTorch pads one pixel more
    at the left and top where a stride of 2 meets an even size). Depth 50 has 31,634,496 weights, two per
    channel of batch normalisation included, its moving statistics not.

    Args:
      depth: 50, 101, 152 or 200.
      width_multiplier: multiplies the channels of every layer.
      channels: of the input, 3 for rgb, 2 for flow.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.

    Returns:
      A model with the layers `stem`, `stage_1` to `stage_4`, `last_conv` on (B, t, h, w, C), and
      `embedding`, the output.

    Raises:
      UserError: unknown depth or stage.
    """
    plan = resnet_v2.layout(depth, width_multiplier)
    if not plan.bottleneck:
        raise UserError(
            f"slow.depth = {depth}: expected 50, 101, 152 or 200, which have bottlenecks."
        )
    stem = resnet_3d.Conv(resnet_v2.base_width(width_multiplier), (1, 7, 7), (1, 2, 2))
    return resnet_3d.inflated(stem, plan, channels, checkpoint_stages, name)
