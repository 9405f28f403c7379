"""R3D: residual networks with 1x1 convolutions inflated in time, as CVRL uses them.

Qian et al., "Spatiotemporal Contrastive Video Representation Learning" (CVPR 2021), after the slow
pathway of SlowFast (Feichtenhofer et al., ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models import resnet_3d, resnet_v2


@gin.configurable
def r3d(
    depth: int = 50,
    width_multiplier: float = 1,
    channels: int = 3,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "r3d",
) -> tf.keras.Model:
    """Builds clips (B, T, H, W, channels) -> features (B, 2048 * width_multiplier) float32.

    A 5x7x7 stem of stride 2 in time and space, a 1x3x3 max pool, and bottlenecks whose first
    convolution is 1x1x1 in stages 1 and 2 and 3x1x1 in stages 3 and 4. Only the stem reduces time:
    (T / 2, H / 32, W / 32) at the end, sizes rounded up, for any B, T, H, W.

    Convolutions have no bias, batch normalisation follows each, padding is SAME. Depth 50 has
    31,672,128 weights, two per channel of batch normalisation included, its moving statistics not.

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
            f"r3d.depth = {depth}: expected 50, 101, 152 or 200, which have bottlenecks."
        )
    stem = resnet_3d.Conv(resnet_v2.base_width(width_multiplier), (5, 7, 7), (2, 2, 2))
    return resnet_3d.inflated(stem, plan, channels, checkpoint_stages, name)
