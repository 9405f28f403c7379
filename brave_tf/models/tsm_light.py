"""A small temporal-shift residual network that trains on a laptop CPU in minutes."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import tensorflow as tf

from brave_tf.models import resnet_v2
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.precision import full_dtype
from brave_tf.models.temporal import ClipMean, FoldTime, NeighbourFrames, TemporalShift


@gin.configurable
def tsm_light(
    widths: Sequence[int] = (32, 64, 128),
    blocks: Sequence[int] = (1, 1, 1),
    stem_kernel: int = 7,
    stem_stride: int = 4,
    stem_frames: int = 1,
    shift_fraction: float = 0.125,
    channels: int = 3,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "tsm_light",
) -> tf.keras.Model:
    """Builds clips (B, T, H, W, channels) -> features (B, widths[-1]) float32, for any B, T, H, W.

    Basic pre-activation blocks behind one strided convolution: few, wide layers at low resolution,
    which is what a CPU does fastest. Widths that are multiples of 16 fill its vector registers.

    Args:
      widths: channels of each stage; every stage but the first halves the resolution.
      blocks: residual blocks of each stage.
      stem_kernel: kernel size of the first convolution.
      stem_stride: stride of the first convolution.
      stem_frames: frames that the first convolution sees at a time, odd. The temporal shift acts on features
        of single frames that are `stem_stride` times coarser, too coarse for movements of a pixel or two.
      shift_fraction: share of the channels that the temporal shift takes from either neighbour.
      channels: of the input, 3 for rgb, 2 for flow.
      checkpoint_stages: see `gradient_checkpointing.backbone`.
      name: name of the model.

    Returns:
      A model with the layers `stem`, `stage_1`, ..., `last_conv`, `embedding` as endpoints.
    """
    clips = tf.keras.Input((None, None, None, channels), name="clips")

    def shift(frames: tf.Tensor, layer_name: str) -> tf.Tensor:
        return TemporalShift(shift_fraction, name=layer_name)([frames, clips])

    seen = NeighbourFrames(stem_frames, name="neighbours")(clips) if stem_frames != 1 else clips
    frames = FoldTime(name="frames")(seen)
    frames = resnet_v2.conv(widths[0], stem_kernel, stem_stride, name="stem")(frames)
    frames = resnet_v2.stages(frames, resnet_v2.Layout.basic(blocks, widths), shift=shift)
    features = ClipMean(name="embedding", dtype=full_dtype())([frames, clips])
    return backbone(clips, features, name, checkpoint_stages)
