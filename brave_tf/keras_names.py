"""What Keras finds of this package by name in saved models, before the modules with it are imported."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import wrapt

# Module -> classes that `register_keras_serializable` registers there.
CLASSES = {
    "brave_tf.models.clip_layers": ("ClipConv", "ClipMaxPool", "TorchClipConv"),
    "brave_tf.models.gradient_checkpointing": ("Backbone", "CheckpointedModel"),
    "brave_tf.models.keras_cv": ("KerasCvModel",),
    "brave_tf.models.norm": ("BatchNorm",),
    "brave_tf.models.point_conv": ("StridedPointConv",),
    "brave_tf.models.spectrogram": ("AsImage", "BandAverages"),
    "brave_tf.models.temporal": (
        "FoldTime",
        "NeighbourFrames",
        "TemporalShift",
        "UnfoldTime",
        "ClipMean",
    ),
    "brave_tf.training.optimizers.adam": ("AdamW",),
    "brave_tf.training.optimizers.epochs": ("ByEpoch",),
    "brave_tf.training.optimizers.lars": ("Lars", "ReleasedLars", "SlowFastLars"),
    "brave_tf.training.optimizers.sgd": ("Sgd",),
    "brave_tf.training.optimizers.schedules": ("Piecewise", "Scaled"),
    "brave_tf.training.optimizers.warmup": ("WarmupInto",),
}


class _Named:
    """Stands for a class until Keras makes an object of it; its module then registers the class itself."""

    def __init__(self, module: str, name: str):
        self._module, self._name = module, name

    def from_config(self, config: dict[str, Any]) -> Any:
        return getattr(importlib.import_module(self._module), self._name).from_config(config)


def register_when_imported() -> None:
    """Tells Keras the names as soon as it is imported; imports neither Keras nor TensorFlow."""
    wrapt.register_post_import_hook(_register, "keras")


def _register(keras: ModuleType) -> None:
    registered = keras.saving.get_custom_objects()
    for module, names in CLASSES.items():
        for name in names:
            registered.setdefault(f"brave_tf>{name}", _Named(module, name))
