"""A user's plug-in: one part of each kind that the documentation tells how to add."""

from __future__ import annotations

import csv
import dataclasses
import pathlib

import gin
import numpy as np
import tensorflow as tf

from brave_tf import config
from brave_tf.data import record_fields
from brave_tf.data.augment.base import with_probability
from brave_tf.data.clip_windows import crop_dataset
from brave_tf.data.dataset_info import DatasetInfo
from brave_tf.data.log_mel import LogMel
from brave_tf.data.pipeline import clip_dataset
from brave_tf.data.record_reader import Clip, make_clip, parse_clip
from brave_tf.data.source import open_source
from brave_tf.data.sources.base import Source, Stream, register_source
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.base import Augmentation, View
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.evaluation import knn, linear, neighbours, retrieval, scores
from brave_tf.evaluation.class_protocol import open_bank, outcome
from brave_tf.evaluation.classes import count_classes, predictions
from brave_tf.evaluation.families import Kind, register_tasks
from brave_tf.evaluation.knn import KNN
from brave_tf.evaluation.linear import LINEAR
from brave_tf.evaluation.probe import Outcome, Probe
from brave_tf.evaluation.registry import Task, register_task
from brave_tf.models.norm import norm_relu
from brave_tf.models.precision import full_dtype
from brave_tf.objectives.base import NARROW, Objective, Terms
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

__all__ = ["AudioView", "Augmentation", "DatasetInfo", "LogMel", "Recipe", "Settings", "UserError"]
__all__ += ["bound", "clip_dataset", "config", "crop_dataset", "open_source", "parse_clip"]


@gin.configurable
def half_bright(video: tf.Tensor, seed: tf.Tensor, probability: float = 0.5) -> tf.Tensor:
    """Halves the brightness of some clips."""
    return with_probability(probability, seed, video, lambda values, _: values / 2)


@gin.configurable
@dataclasses.dataclass(frozen=True)
class DarkView(RgbView):
    """Frames at a share of their brightness."""

    share: float = 0.5

    def sample(self, clip: Clip, start: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return self.share * super().sample(clip, start, seed)


@gin.configurable
def strided(width: int = 8, name: str = "strided") -> tf.keras.Model:
    """Builds (B, T, H, W, 3) -> (B, width): one convolution of each frame."""
    clip = tf.keras.Input((None, None, None, 3))
    x = tf.keras.layers.Conv3D(width, (1, 3, 3), (1, 4, 4), "same", use_bias=False)(clip)
    x = norm_relu(x, "norm", "last_conv")
    pool = tf.keras.layers.GlobalAveragePooling3D(name="embedding", dtype=full_dtype())
    return tf.keras.Model(clip, pool(x), name=name)


@gin.configurable
class Agreement(Objective):
    """Squared distance between the normalised features of the narrow view and of each other one."""

    @property
    def term_names(self):
        return [f"{NARROW}_{view}" for view in self.backbones if view != NARROW]

    def terms(self, batch, training):
        features = self(batch, training=training)
        unit = {view: tf.math.l2_normalize(x, axis=-1) for view, x in features.items()}
        losses = {
            f"{NARROW}_{view}": tf.reduce_sum((unit[NARROW] - x) ** 2, axis=-1)
            for view, x in unit.items()
            if view != NARROW
        }
        return Terms(losses, features, {})


@gin.configurable
class MeanFeature:
    """A probe of runs."""

    def __init__(self, data_dir: str, views: dict[str, View]):
        self._size = (1, *views[NARROW].shape)

    def __call__(self, objective: Objective) -> dict[str, float]:
        features = objective.embed(NARROW, tf.ones(self._size))
        return {"probe/mean": float(tf.reduce_mean(features))}


class Pictures(Stream):
    """Clips of one colour, which are made of their numbers."""

    def __init__(self, labels: np.ndarray):
        self._labels = labels

    def once(self, seed: int, skip: int = 0) -> tf.data.Dataset:
        items = tf.data.Dataset.from_tensor_slices(self._labels.astype(np.int64)).skip(skip)
        return items.map(lambda label: (label, tf.stack([seed, tf.cast(label, tf.int32)])))

    def endless(self, seed: int, shuffle_buffer: int, skip: int = 0) -> tf.data.Dataset:
        return self.once(seed).repeat().skip(skip)

    def parse(self, item: tf.Tensor, seed: tf.Tensor | None = None) -> Clip:
        colour = tf.cast(60 * (item + 1), tf.uint8)
        frame = tf.io.encode_jpeg(tf.fill((24, 24, 3), colour))
        values = {record_fields.IMAGE: tf.repeat(frame[tf.newaxis], 8, axis=0)}
        return make_clip(self._context(item), values)

    def describe(self, item: tf.Tensor) -> Clip:
        return make_clip(self._context(item), {})

    def _context(self, item: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            record_fields.IMAGE_RATE: tf.constant([10.0]),
            record_fields.AUDIO_RATE: tf.constant([8000.0]),
            record_fields.FLOW_BOUND: tf.constant([20.0]),
            record_fields.LABEL_INDEX: tf.reshape(item, [1]),
            record_fields.PATH: tf.reshape(tf.strings.as_string(item), [1]),
        }


@register_source
class PictureList(Source):
    """A file `.colours` with a label and a split in each line."""

    label_names = ("dark", "bright", "white")
    split_names = ("train", "test")

    def __init__(self, location: str):
        self.location = location
        with open(location, newline="") as file:
            self._rows = list(csv.reader(file))

    @classmethod
    def accepts(cls, location: str) -> bool:
        return location.endswith(".colours")

    @classmethod
    def open(cls, location: str) -> PictureList:
        if not pathlib.Path(location).is_file():
            raise UserError(f"{location}: no such file.")
        return cls(location)

    def check(self, split, views) -> None:
        if not len(self._labels(split)):
            raise UserError(f"{self.location} has no split {split}.")

    def stream(self, split, views, num_pipelines: int = 1, pipeline: int = 0) -> Pictures:
        return Pictures(self._labels(split)[pipeline::num_pipelines])

    def labels(self, split: str, view: View) -> np.ndarray:
        return self._labels(split)

    def num_clips(self, split: str) -> int:
        return len(self._labels(split))

    def files(self, split: str) -> list[str]:
        return [self.location]

    def _labels(self, split: str) -> np.ndarray:
        return np.array([int(label) for label, of in self._rows if of == split], np.int64)


def nearest_mean(probe: Probe, data_dir, train_split="train", test_split="test") -> Outcome:
    """Gives each test clip the class of the nearest mean."""
    bank = open_bank(probe, data_dir, train_split, test_split)
    train, test = bank.train(train_split), bank.test(test_split)
    classes = np.unique(train.labels)
    means = np.stack([train.mean[train.labels == label].mean(axis=0) for label in classes])
    decisions = np.full((len(test), count_classes(bank, train.labels)), -np.inf)
    decisions[:, classes] = -np.linalg.norm(test.mean[:, None] - means, axis=-1)
    hits = scores.top_hits(decisions, test.labels)
    settings = {"train_split": train_split, "test_split": test_split}
    return outcome(bank, train, test, hits, settings, predictions(bank, test, decisions))


def of_arrays(seed: int = 0) -> dict[str, float]:
    """Scores features of one's own, as the documentation shows."""
    rng = np.random.default_rng(seed)
    labels = np.arange(60) % 3
    features = rng.normal(size=(60, 8)) + 3 * np.eye(8)[labels]
    train, test = (features[:40], labels[:40]), (features[40:], labels[40:])
    classifier = linear.fit(*train, C=0.1, seed=0)
    decisions = linear.decisions(classifier, test[0], num_classes=3)
    _, cosines = neighbours.nearest(train[0], test[0], k=10)
    return {
        "knn": float(scores.with_intervals(knn.knn_hits(*train, *test, k=5))["top1"]),
        "linear": float(scores.with_intervals(scores.top_hits(decisions, test[1]))["top1"]),
        "recall_at_1": float(retrieval.recalls(*train, *test, [1, 10])[1].mean()),
        "cosine": float(cosines.mean()),
    }


NEAREST_MEAN = Kind("nearest_mean", nearest_mean, "nearest class mean", ("top1", "top5"))
register_tasks("users", "the clips in --data", (NEAREST_MEAN, LINEAR, KNN), modalities=("rgb",))
register_task(Task("users/own", "rgb", nearest_mean, "nearest class mean, registered alone"))
