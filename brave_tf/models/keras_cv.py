"""Any KerasCV backbone as the backbone of a view.

A recipe that uses it names this module in an `import` line; nothing else imports KerasCV.
"""

from __future__ import annotations

import contextlib
import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gin
import keras_cv
import tensorflow as tf

from brave_tf.errors import UserError, did_you_mean
from brave_tf.models.gradient_checkpointing import CheckpointedModel
from brave_tf.models.precision import full_dtype
from brave_tf.models.spectrogram import AsImage
from brave_tf.models.temporal import ClipMean, FoldTime

layers = tf.keras.layers


@gin.configurable
def keras_cv_backbone(
    backbone: str = gin.REQUIRED,
    input_shape: Sequence[int | None] = gin.REQUIRED,
    arguments: Mapping[str, Any] | None = None,
    checkpoint_stages: bool | Sequence[int] = False,
    name: str = "keras_cv_backbone",
) -> tf.keras.Model:
    """Builds a view (B, *input_shape) -> features (B, D) float32 around a KerasCV backbone.

    A video backbone (Video Swin) sees whole clips, an image backbone each frame or the log-mel
    spectrogram as a one-channel image. Its last feature map is averaged over space and time.
    Batch normalisation is KerasCV's own: its statistics are those of each replica. Video Swin stays in
    float32 under a mixed precision policy, which KerasCV's attention does not support.

    Args:
      backbone: class in `keras_cv.models`: a base class such as `VideoSwinBackbone` or
        `ResNetV2Backbone` with its `arguments`, or a preset such as `ResNet50V2Backbone`, whose
        configuration KerasCV downloads.
      input_shape: the view's shape: (T, H, W, C) for clips, (frames, bins) for log-mel. Sizes that
        the backbone leaves open may be None; Video Swin needs all of them.
      arguments: further arguments of the class. Unless they set `include_rescaling`, the backbone
        takes values in [0, 1], as views have them; if they set it, it is given values in [0, 255].
      checkpoint_stages: see `gradient_checkpointing.backbone`. It needs dropout and stochastic depth
        to be 0 in `arguments`, such as `drop_path_rate` for Video Swin.
      name: name of the model.

    Returns:
      A model with the layers `stage_1`, `stage_2`, ..., `last_conv` and `embedding`, the output, as
      endpoints. The stages are KerasCV's pyramid levels, or Video Swin's stages, which end in the
      next one's patch merging.

    Raises:
      UserError: no such backbone, arguments that are mappings, an `input_shape` that is neither of a clip
        nor of log-mel, or stages that cannot be checkpointed.
    """
    build = _backbone_class(backbone)
    arguments = {"include_rescaling": False, **(arguments or {})}
    _check_arguments(arguments)
    if len(input_shape) not in (2, 4):
        raise UserError(
            f"keras_cv_backbone.input_shape = {tuple(input_shape)}: expected (T, H, W, C) for clips or "
            "(frames, bins) for log-mel, without the batch."
        )
    view = tf.keras.Input(tuple(input_shape), name="view")
    x = layers.Rescaling(255.0)(view) if arguments["include_rescaling"] else view
    embedding = {"name": "embedding", "dtype": full_dtype()}
    if len(input_shape) == 2:
        model = build(input_shape=(*input_shape, 1), **arguments)
        x = _stages(model, AsImage(name="image")(x))
        features = layers.GlobalAveragePooling2D(**embedding)(x)
    elif issubclass(build, keras_cv.models.VideoSwinBackbone):
        sizes = {**_default_sizes(build), **arguments}
        with _float32():
            model = keras_cv.models.VideoSwinBackbone(input_shape=tuple(input_shape), **sizes)
            x = _stages(model, x)
        features = layers.GlobalAveragePooling3D(**embedding)(x)
    else:
        model = build(input_shape=tuple(input_shape[1:]), **arguments)
        x = _stages(model, FoldTime(name="frames")(x))
        features = ClipMean(**embedding)([x, view])
    adapter = KerasCvModel(view, features, name=name).checkpoint(checkpoint_stages)
    adapter.arguments = types.MappingProxyType(
        {
            "backbone": backbone,
            "input_shape": tuple(input_shape),
            "arguments": arguments,
            "checkpoint_stages": checkpoint_stages,
            "name": name,
        }
    )
    return adapter


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class KerasCvModel(CheckpointedModel):
    """What `keras_cv_backbone` builds: saved as its arguments, for not all of KerasCV's layers can be."""

    arguments: Mapping[str, Any] = {}

    def get_config(self) -> dict:
        return dict(self.arguments)

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> KerasCvModel:
        del custom_objects
        return keras_cv_backbone(**config)


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuses mappings: for Keras they may describe objects of any module, which it imports and makes."""
    waiting = [*arguments.items()]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Mapping):
            raise UserError(
                f"keras_cv_backbone.arguments: {name} is a mapping: give numbers, texts and lists of them."
            )
        if isinstance(value, (list, tuple)):
            waiting += [(name, each) for each in value]


def _default_sizes(build: type[keras_cv.models.VideoSwinBackbone]) -> dict[str, Any]:
    """The sizes of a Video Swin of KerasCV that has a size in its name.

    Such a class looks for a preset of weights, which KerasCV 0.9 says nothing about, and fails.
    """
    if build is keras_cv.models.VideoSwinBackbone:
        return {}
    parameters = inspect.signature(build.__new__).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _stages(model: tf.keras.Model, x: tf.Tensor) -> tf.Tensor:
    """Applies a KerasCV backbone in parts, each of which ends in a layer `stage_<n>`."""
    start = model.input
    for number, name in enumerate(_stage_ends(model), start=1):
        end = model.get_layer(name).output
        x = tf.keras.Model(start, end, name=f"stage_{number}_layers")(x)
        x = layers.Activation("linear", name=f"stage_{number}")(x)
        start = end
    if start is not model.output:
        x = tf.keras.Model(start, model.output, name="last_layers")(x)
    return layers.Activation("linear", name="last_conv")(x)


def _stage_ends(model: tf.keras.Model) -> list[str]:
    if isinstance(model, keras_cv.models.VideoSwinBackbone):
        return [f"videoswin_basic_layer_{i}" for i in range(1, len(model.depths) + 1)]
    try:
        levels = model.pyramid_level_inputs
    except NotImplementedError:  # as ViTDet's
        return []
    return [levels[level] for level in sorted(levels, key=lambda level: int(level[1:]))]


def _backbone_class(name: str) -> type[keras_cv.models.Backbone]:
    known = [
        key
        for key, value in vars(keras_cv.models).items()
        if isinstance(value, type) and issubclass(value, keras_cv.models.Backbone)
    ]
    if name not in known:
        raise UserError(
            f"keras_cv_backbone.backbone = {name!r} is no backbone in keras_cv.models."
            f"{did_you_mean(str(name), known)}"
        )
    return getattr(keras_cv.models, name)


@contextlib.contextmanager
def _float32() -> Iterator[None]:
    """Layers made inside compute in float32."""
    policy = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("float32")
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(policy)
