"""Temporal-shift residual networks on clips (Lin et al., "TSM", ICCV 2019), as BraVe uses them."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.models import resnet_v2
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.precision import full_dtype
from brave_tf.models.temporal import ClipMean, FoldTime, TemporalShift


@gin.configurable
def tsm_resnet(
    depth: int = 50,
    width_multiplier: float = 1,
    shift_fraction: float = 0.125,
    channels: int = 3,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "tsm_resnet",
) -> tf.keras.Model:
    """Builds clips (B, T, H, W, channels) -> features (B, D) float32, for any B, T, H, W.

    A pre-activation ResNet on every frame; the temporal shift precedes the first convolution of
    each residual branch and leaves the shortcut alone. D is 2048 * width_multiplier, or
    512 * width_multiplier at depths 18 and 34.

    Args:
      depth: 18, 34 (basic blocks), 50, 101, 152 or 200 (bottlenecks).
      width_multiplier: multiplies the channels of every layer; 2 is BraVe's "x2".
      shift_fraction: share of the channels that the temporal shift takes from either neighbour.
      channels: of the input, 3 for rgb, 2 for flow.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.

    Returns:
      A model with the layers `stem`, `stage_1` to `stage_4`, `last_conv` on frames (B*T, h, w, C),
      and `embedding`, the output.

    Raises:
      UserError: unknown depth or stage.
    """
    plan = resnet_v2.layout(depth, width_multiplier)
    clips = tf.keras.Input((None, None, None, channels), name="clips")

    def shift(frames: tf.Tensor, layer_name: str) -> tf.Tensor:
        return TemporalShift(shift_fraction, name=layer_name)([frames, clips])

    frames = FoldTime(name="frames")(clips)
    frames = resnet_v2.stem(frames, resnet_v2.base_width(width_multiplier))
    frames = resnet_v2.stages(frames, plan, shift)
    features = ClipMean(name="embedding", dtype=full_dtype())([frames, clips])
    return backbone(clips, features, name, checkpoint_stages)
