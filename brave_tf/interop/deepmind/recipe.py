"""The released BraVe model in this package's terms: its backbones, views and heads as a gin recipe.

What a checkpoint holds is told by its arrays; its `config`, which says what the views are, is
completed by the released code's own values.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from brave_tf.data.views.base import View
from brave_tf.data.views.log_mel import LogMel
from brave_tf.errors import UserError
from brave_tf.interop.deepmind.haiku_file import Arrays, Checkpoint
from brave_tf.models import resnet_v2
from brave_tf.objectives.base import NARROW
from brave_tf.objectives.brave import BraVe

SHARED_HEADS = "shared_project"

# The values of the released code, for a checkpoint whose config leaves some out.
_CONFIG = {
    "num_frames_narrow": 16,
    "step_narrow": 2,
    "image_size_narrow": 224,
    "num_frames_broad": 64,
    "step_broad": 4,
    "image_size_broad": 112,
    "input_video_sample_rate": 25.0,
    "input_audio_sample_rate": 48000,
    "num_spectrogram_bins": 80,
    "fft_step": 160,
}
# Names of views go into a recipe: nothing but names may.
_MODULE = re.compile(r"[a-z][a-z0-9_]*_embedding")
_DEPTHS = (18, 34, 50, 101, 152, 200)
_VIEWS = {"audio": "AudioView", "flow": "FlowView", "rgb": "RgbView"}
# Builder -> the path under a backbone's module of its stem, and the pattern of its blocks.
_KINDS = {
    "tsm_resnet": (
        "TSMResNetV2/tsm_resnet_stem",
        r"TSMResNetV2/tsm_resnet_unit_(\d+)/block_(\d+)/",
    ),
    "audio_resnet": ("res_net_v2/~/initial_conv", r"res_net_v2/~/block_group_(\d+)/block_(\d+)/"),
}


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A backbone as the shapes of its arrays tell it.

    Attributes:
      view: name of its view.
      module: that holds it in the checkpoint.
      builder: `tsm_resnet` or `audio_resnet`.
      depth: number of layers, such as 50.
      width_multiplier: such as 1 or 2.
      channels: of its input.
    """

    view: str
    module: str
    builder: str
    depth: int
    width_multiplier: float
    channels: int

    @property
    def modality(self) -> str:
        """What its view is of: `rgb`, `flow` or `audio`."""
        if self.builder == "audio_resnet":
            return "audio"
        return "flow" if self.channels == 2 else "rgb"

    @property
    def feature_size(self) -> int:
        """D, the number of features."""
        return resnet_v2.layout(self.depth, self.width_multiplier).widths[-1]


@dataclasses.dataclass(frozen=True)
class Heads:
    """The projectors and predictors of a checkpoint.

    Attributes:
      shared: whether all views use those in `shared_project`.
      modules: view -> the module that holds its projector and predictor; views without are left out.
    """

    shared: bool
    modules: Mapping[str, str]


def backbones_of(checkpoint: Checkpoint) -> list[Backbone]:
    """The backbones in a checkpoint, the narrow view's first.

    Raises:
      UserError: there is none, or one of a depth that is not known.
    """
    found = []
    for module in sorted({path.split("/")[0] for path in checkpoint.params}):
        for builder, (stem, blocks) in _KINDS.items():
            weights = checkpoint.params.get(f"{module}/{stem}", {}).get("w")
            if weights is not None and _MODULE.fullmatch(module):
                found.append(_backbone(checkpoint.params, module, builder, weights, blocks))
    if not found:
        modules = sorted({path.split("/")[0] for path in checkpoint.params})
        raise UserError(
            "the checkpoint holds no backbone of BraVe, such as narrow_video_embedding: its modules are "
            f"{', '.join(modules[:10]) or 'none'}."
        )
    return sorted(found, key=lambda backbone: (backbone.view != NARROW, backbone.view))


def heads_of(checkpoint: Checkpoint, backbones: list[Backbone]) -> Heads:
    """Which heads each view has. Shared ones serve the views whose features they take."""
    modules = {}
    for backbone in backbones:
        for module in (f"{backbone.view}_project", SHARED_HEADS):
            weights = checkpoint.params.get(f"{module}/projector/linear", {}).get("w")
            if weights is not None and np.shape(weights)[:1] == (backbone.feature_size,):
                modules.setdefault(backbone.view, module)
    shared = set(modules.values()) == {SHARED_HEADS} and len(modules) == len(backbones)
    return Heads(shared, modules)


def gin_recipe(checkpoint: Checkpoint, backbones: list[Backbone], heads: Heads) -> str:
    """A recipe that makes views and model of a checkpoint, with the released trainer's settings."""
    config = _settings(checkpoint.config)
    lines = [
        "include 'fragments/brave.gin'",
        "import brave_tf.data.augment.random_convolution",
        "import brave_tf.data.views.audio",
        "import brave_tf.data.views.flow",
        "import brave_tf.data.views.rgb",
        "import brave_tf.models.audio_resnet",
        "import brave_tf.models.tsm_resnet",
        "train.data_dir = 'data/records'",
        "BraVe.loss_scale = 0.5",
        f"BraVe.heads = '{'shared' if heads.shared else 'per_view'}'",
    ]
    views, models = [], []
    for backbone in backbones:
        scope = backbone.view
        views.append(f"'{scope}': @{scope}/{_VIEWS[backbone.modality]}()")
        models.append(f"'{scope}': @{scope}/{backbone.builder}()")
        lines += [f"{scope}/{line}" for line in _view_lines(backbone, config)]
        lines += [f"{scope}/{backbone.builder}.{line}" for line in _backbone_lines(backbone)]
    for module in list(heads.modules.values())[:1]:
        lines += _head_lines(checkpoint.params, module)
    lines.append(f"Recipe.views = {{{', '.join(views)}}}")
    lines.append(f"BraVe.backbones = {{{', '.join(models)}}}")
    return "\n".join(lines)


def released_config(views: Mapping[str, View], objective: BraVe) -> dict[str, Any]:
    """The `config` of a checkpoint: the fields of the released code's `BraveConfig`."""
    narrow = views[NARROW]
    broad = {name: views[name] for name in objective.broad}
    video = next((view for view in broad.values() if view.modality != "audio"), None)
    audio = next((view for view in broad.values() if view.modality == "audio"), None)
    if audio is not None and not isinstance(audio.log_mel, LogMel):
        raise UserError(
            f"the released code has no {type(audio.log_mel).__name__}: a checkpoint for it can be made of "
            "views of sound with LogMel alone."
        )
    config = {
        **_CONFIG,
        "include_video_in_broad_view": video is not None,
        "include_audio_in_broad_view": audio is not None,
        "num_frames_narrow": narrow.num_frames,
        "step_narrow": narrow.frame_step,
        "image_size_narrow": narrow.size,
        "input_video_sample_rate": narrow.frame_rate,
        "output_dims": objective.projectors[NARROW].output_shape[-1],
        "tsm_resnet_width_multiplier": _width(objective.backbones[NARROW].get_layer("stem").output),
        "dataset_shards": [],
    }
    if audio is not None:
        step = config["step_broad"]
        config["num_frames_broad"] = round(audio.duration * narrow.frame_rate / step)
        config["input_audio_sample_rate"] = audio.sample_rate
        config["num_spectrogram_bins"] = audio.log_mel.mel_bins
        config["fft_step"] = audio.log_mel.frame_step
    if video is not None:
        config["num_frames_broad"] = video.num_frames
        config["step_broad"] = video.frame_step
        config["image_size_broad"] = video.size
    return config


def _settings(config: Mapping[str, Any]) -> dict[str, float]:
    values = {}
    for name, default in _CONFIG.items():
        try:
            values[name] = type(default)(config.get(name, default))
        except (TypeError, ValueError):
            values[name] = 0
        if not 0 < values[name] < math.inf:
            raise UserError(f"the checkpoint's config.{name} is not a number above 0.")
    return values


def _backbone(params: Arrays, module: str, builder: str, stem: np.ndarray, blocks: str) -> Backbone:
    matches = [re.match(f"{re.escape(module)}/{blocks}", path) for path in params]
    found = {(int(match[1]), int(match[2])) for match in matches if match}
    stages = [
        sum(stage == s for stage, _ in found) for s in range(1 + max(found, default=(-1,))[0])
    ]
    bottleneck = any(re.search(r"block_0/(~/)?conv_2$", p) for p in params if p.startswith(module))
    for depth in _DEPTHS:
        plan = resnet_v2.layout(depth)
        if (list(plan.blocks), plan.bottleneck) == (stages, bottleneck):
            break
    else:
        raise UserError(
            f"the checkpoint's {module} has {stages} blocks in its stages, which is none of the depths "
            f"{', '.join(map(str, _DEPTHS))}."
        )
    if np.ndim(stem) != 4:
        raise UserError(
            f"the checkpoint's {module} has a stem of shape {np.shape(stem)}, expected (7, 7, channels, "
            "64 or a multiple)."
        )
    channels = np.shape(stem)[2]
    view = module[: -len("_embedding")]
    if view.startswith(NARROW):
        view = NARROW
    elif builder == "tsm_resnet" and channels == 2:
        view = view.replace("video", "flow")
    return Backbone(view, module, builder, depth, _width(stem), channels)


def _width(stem: Any) -> float:
    """The width multiplier of a stem with so many output channels."""
    multiplier = stem.shape[-1] / 64
    return int(multiplier) if multiplier == int(multiplier) else multiplier


def _view_lines(backbone: Backbone, config: Mapping[str, float]) -> list[str]:
    rate = config["input_video_sample_rate"]
    if backbone.modality == "audio":
        return [
            f"AudioView.duration = {config['num_frames_broad'] * config['step_broad'] / rate}",
            f"AudioView.log_mel = @{backbone.view}/LogMel()",
            f"LogMel.sample_rate = {config['input_audio_sample_rate']}",
            f"LogMel.frame_step = {config['fft_step']}",
            f"LogMel.mel_bins = {config['num_spectrogram_bins']}",
        ]
    window = "narrow" if backbone.view == NARROW else "broad"
    name = _VIEWS[backbone.modality]
    lines = [
        f"{name}.num_frames = {config[f'num_frames_{window}']}",
        f"{name}.frame_step = {config[f'step_{window}']}",
        f"{name}.size = {config[f'image_size_{window}']}",
        f"{name}.frame_rate = {rate}",
    ]
    if window == "broad" and name == "RgbView":
        augmentations = ("gaussian_blur", "random_flip", "random_color", "random_gray")
        listed = ", ".join(f"@{function}" for function in (*augmentations, "random_convolution"))
        lines.append(f"{name}.augmentations = [{listed}]")
    return lines


def _backbone_lines(backbone: Backbone) -> list[str]:
    lines = [f"depth = {backbone.depth}", f"width_multiplier = {backbone.width_multiplier}"]
    return lines + ([f"channels = {backbone.channels}"] if backbone.modality != "audio" else [])


def _head_lines(params: Arrays, module: str) -> list[str]:
    lines = []
    for head in ("projector", "predictor"):
        for layer, size in (("linear", "hidden"), ("linear_1", "output")):
            weights = params.get(f"{module}/{head}/{layer}", {}).get("w")
            if weights is not None and np.ndim(weights) == 2:
                lines.append(f"{head}.{size} = {np.shape(weights)[1]}")
    return lines
