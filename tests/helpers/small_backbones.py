"""Every backbone of the package in small: name -> builder, and the shape of a view that it takes."""

from __future__ import annotations

import functools

from brave_tf.models.audio_light import audio_light
from brave_tf.models.audio_resnet import audio_resnet
from brave_tf.models.audio_resnet_v1 import audio_resnet_v1
from brave_tf.models.avid_audio import avid_audio
from brave_tf.models.avid_video import avid_video
from brave_tf.models.keras_cv import keras_cv_backbone
from brave_tf.models.r2plus1d import r2plus1d
from brave_tf.models.r3d import r3d
from brave_tf.models.s3d import s3d
from brave_tf.models.slow import slow
from brave_tf.models.tsm_light import tsm_light
from brave_tf.models.tsm_resnet import tsm_resnet

# Not smaller: the CPU kernels of bfloat16 return rubbish for strided gradients of one pixel.
CLIP, SOUND = (4, 32, 32, 3), (40, 32)

SWIN = {
    "embed_dim": 16,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "patch_size": [2, 4, 4],
    "window_size": [2, 4, 4],
    "drop_path_rate": 0.0,
}
RESNET = {
    "stackwise_filters": [8, 16],
    "stackwise_blocks": [2, 2],
    "stackwise_strides": [1, 2],
}
_keras_cv = functools.partial(keras_cv_backbone, "ResNetV2Backbone", arguments=RESNET)

BACKBONES = {
    "tsm_resnet": (functools.partial(tsm_resnet, 18, 0.125), CLIP),
    "tsm_light": (functools.partial(tsm_light, (8, 16), (1, 1)), CLIP),
    "r3d": (functools.partial(r3d, width_multiplier=0.125), CLIP),
    "slow": (functools.partial(slow, width_multiplier=0.125), CLIP),
    "r2plus1d": (functools.partial(r2plus1d, width_multiplier=0.125), CLIP),
    "r2plus1d_torch": (
        functools.partial(r2plus1d, width_multiplier=0.125, planes_of="block", padding="torch"),
        CLIP,
    ),
    "avid_video": (functools.partial(avid_video, width_multiplier=0.125), CLIP),
    "s3d": (functools.partial(s3d, width_multiplier=0.125), CLIP),
    "video_swin": (functools.partial(keras_cv_backbone, "VideoSwinBackbone", CLIP, SWIN), CLIP),
    "keras_cv_on_frames": (functools.partial(_keras_cv, (None, None, None, 3)), CLIP),
    "keras_cv_on_sound": (functools.partial(_keras_cv, (None, SOUND[1])), SOUND),
    "audio_resnet": (functools.partial(audio_resnet, 18, 0.125), SOUND),
    "audio_resnet_v1": (functools.partial(audio_resnet_v1, width_multiplier=0.125), SOUND),
    "avid_audio": (functools.partial(avid_audio, width_multiplier=0.125), SOUND),
    "audio_light": (functools.partial(audio_light, (8, 16), (1, 1)), SOUND),
}
