"""Features of the clips of a data set, for any protocol, cached on disk."""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import replace
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from brave_tf import config
from brave_tf.data.records.splits import parts_of
from brave_tf.data.sources.kinds import open_source
from brave_tf.data.views.base import View
from brave_tf.errors import UserError
from brave_tf.evaluation.features import windows
from brave_tf.evaluation.features.probe import Probe
from brave_tf.features.extraction import ExtractionJob, extract, mean_of_windows
from brave_tf.features.store import FeatureStore, Part, Rows, aligned, sole_writer
from brave_tf.finite_features import check_finite
from brave_tf.storage.added_fields import told_fields, told_text


@dataclasses.dataclass(frozen=True)
class ClipFeatures:
    """Features of the labelled clips of a split.

    Attributes:
      features: (clips, windows, D) float32.
      labels: (clips,) int64, or (clips, classes) bool where clips have several.
      keys: (clips,) str, see `windows.clip_key`: the same whatever the windows and official splits.
      paths: (clips,) str, the files that the clips come from.
      missing: other clips of the split, that could not be used.
    """

    features: np.ndarray
    labels: np.ndarray
    keys: np.ndarray
    paths: np.ndarray
    missing: int

    @property
    def mean(self) -> np.ndarray:
        """(clips, D) float32, the mean over the windows of each clip."""
        return mean_of_windows(self.features)[:, 0]

    def __len__(self) -> int:
        return len(self.keys)


@dataclasses.dataclass(frozen=True)
class KeyedPart:
    """Some clips of a split, whose features are read when they are asked for.

    Attributes:
      rows: how many clips.
      part: of the store.
      split: of records, that the clips are in.
      check: raises UserError for rows that cannot be used.
    """

    rows: int
    part: Part
    split: str
    check: Callable[[Rows], None]

    def load(self) -> ClipFeatures:
        """Reads them; `missing` is not known of a part, and 0.

        Raises:
          UserError: a feature is NaN or infinite.
        """
        rows = self.part.load()
        self.check(rows)
        return ClipFeatures(rows.features, rows.labels, _keys(self.split, rows), rows.paths, 0)


class FeatureBank:
    """The features of a dataset's clips by one backbone, computed when they are first asked for.

    Each split of records has stores of its own, one for each augmented pass and one for the test crops.
    What protocols, official splits and folds have in common is computed once; so is what is there from
    an earlier call, where `probe.cache` names a folder.

    Args:
      probe: the frozen backbone.
      data_dir: folder of prepared records, or media files.
      num_labels: classes of clips that have several labels; None where each has one.
      settings: which windows; None for those bound as `eval_windows`.

    Raises:
      UserError: settings that cannot be used.
    """

    def __init__(
        self,
        probe: Probe,
        data_dir: str,
        num_labels: int | None = None,
        settings: windows.EvalWindows | None = None,
    ):
        self.windows = windows.EvalWindows() if settings is None else settings
        self.view: View = self.windows.view(probe.view, probe.is_narrow)
        self._test_view = self.windows.test_view(self.view)
        _check_batch(self.windows.batch_size, probe)
        self.probe, self.num_labels, self.data_dir = probe, num_labels, data_dir
        self._clips = functools.lru_cache(maxsize=None)(
            lambda split: windows.labelled_clips(data_dir, split, self.view)
        )
        source, views = open_source(data_dir), {probe.view_name: self.view}
        self.label_names, self.split_names = source.label_names, source.split_names
        self._check = functools.lru_cache(maxsize=None)(lambda split: source.check(split, views))

    def of(self, probe: Probe) -> FeatureBank:
        """Returns the bank of another model for the same clips and windows."""
        return FeatureBank(probe, self.data_dir, self.num_labels, self.windows)

    @property
    def settings(self) -> dict[str, Any]:
        """What the features depend on, as plain JSON values."""
        temporal, spatial = self.windows.crops(self.view)
        video = ("num_frames", "frame_step", "frame_rate", "size", "resize", "region", "squeeze")
        return {
            "data": self.data_dir,
            "train_passes": self.windows.train_passes,
            "temporal_crops": temporal,
            "spatial_crops": spatial,
            "batch_size": self.windows.batch_size,
            "windows_seed": self.windows.seed,
            "window": list(self.view.shape),
            "precision": self.probe.backbone.precision,
            **{name: getattr(self.view, name) for name in video if hasattr(self.view, name)},
            **{
                n: v
                for n, v in told_fields(self.windows).items()
                if n in ("test_size", "corner_crops")
            },
        }

    def labels(self, split: str) -> np.ndarray:
        """Reads the first labels of the labelled clips of a split, (clips,) int64; computes no features.

        Raises:
          UserError: the split cannot be used, or has no labelled clip.
        """
        self._check(split)
        labels = np.concatenate([clips.labels for clips in self._labelled(split).values()])
        if not len(labels):
            raise UserError(
                f"{self.data_dir}: no clip of split {split!r} has both {self.view.modality} and a label. Put "
                "the media files into one folder per class, or list them in a CSV with a column of labels."
            )
        return labels

    def total(self, split: str) -> int:
        """Returns how many clips a split has, with those that cannot be used."""
        return sum(clips.total for clips in self._labelled(split).values())

    def train(self, split: str) -> ClipFeatures:
        """Returns the features of the augmented passes, (clips, train_passes, D).

        Raises:
          UserError: the split cannot be used, too few clips can be read, or a feature is not finite.
        """
        stores = self._train_stores(split)
        rows = {
            name: aligned([store.load() for store in passes]) for name, passes in stores.items()
        }
        return self._features(split, rows)

    def test(self, split: str, average: bool = True) -> ClipFeatures:
        """Returns the features of the test crops, (clips, crops, D), or their means, (clips, 1, D).

        Raises:
          UserError: the split cannot be used, too few clips can be read, or a feature is not finite.
        """
        rows = {}
        for name, store in self._test_stores(split, average).items():
            parts = [part.load() for part in store.parts]
            if average:
                parts = [replace(part, features=mean_of_windows(part.features)) for part in parts]
            rows[name] = Rows.joined(parts)
        return self._features(split, rows)

    def train_parts(self, split: str) -> list[list[KeyedPart]]:
        """Returns the parts of each augmented pass, for features that do not fit into memory."""
        stores = self._train_stores(split)
        passes = range(self.windows.train_passes)
        return [[p for name in stores for p in self._keyed(name, stores[name][i])] for i in passes]

    def test_parts(self, split: str) -> list[KeyedPart]:
        """Returns the parts of the test crops, (clips, crops, D); see `train_parts`."""
        stores = self._test_stores(split, average=False)
        return [part for name, store in stores.items() for part in self._keyed(name, store)]

    def _train_stores(self, split: str) -> dict[str, list[FeatureStore]]:
        passes, seed = range(self.windows.train_passes), self.windows.seed
        stores, jobs = {}, []
        with sole_writer(self.probe.cache):
            for name, clips in self._usable(split).items():
                keys = [{"pass": number, "seed": seed} for number in passes]
                stores[name] = [self._store(name, clips, self.view, key) for key in keys]
                make = functools.partial(self._passes, name)
                jobs.append(ExtractionJob(make, len(clips.labels), stores[name]))
            self._extract(jobs, f"{split}, {len(passes)} passes")
        return stores

    def _test_stores(self, split: str, average: bool) -> dict[str, FeatureStore]:
        temporal, spatial = self.windows.crops(self.view)
        stores, jobs = {}, []
        with sole_writer(self.probe.cache):
            for name, clips in self._usable(split).items():
                key = {"crops": [temporal, spatial]}
                keyed = functools.partial(self._store, name, clips, self._test_view)
                store = keyed({**key, "average": False})
                if average and not store.done:
                    store = keyed({**key, "average": True})
                stores[name] = store
                make = functools.partial(self._crops, name)
                jobs.append(
                    ExtractionJob(make, len(clips.labels), [store], temporal * spatial, average)
                )
            self._extract(jobs, f"{split}, {temporal * spatial} crops")
        return stores

    def _passes(self, split: str, passes: list[tuple[int, int]]) -> tf.data.Dataset:
        arguments = (self.data_dir, split, self.view, passes, self.windows.seed)
        return windows.pass_windows(*arguments, num_labels=self.num_labels)

    def _crops(self, split: str, passes: list[tuple[int, int]]) -> tf.data.Dataset:
        ((_, start),) = passes
        arguments = (self.data_dir, split, self._test_view, *self.windows.crops(self.view), start)
        return windows.crop_windows(*arguments, num_labels=self.num_labels)

    def _store(
        self, split: str, clips: windows.LabelledClips, view: View, key: dict[str, Any]
    ) -> FeatureStore:
        told = windows.told_augmentations(view, view.augmentations)
        key = {
            **key,
            **({"augmentations": told} if told else {}),
            "view": told_text(replace(view, augmentations=())),
            "weights": self.probe.backbone.weights,
            "precision": self.probe.backbone.precision,
            "config": config.bindings_of_others("brave_tf.evaluation"),
            "split": split,
            "records": clips.version,
            "num_labels": self.num_labels,
        }
        return FeatureStore(self.probe.cache, json.loads(json.dumps(key)))

    def _extract(self, jobs: list[ExtractionJob], description: str) -> None:
        extract(
            self.probe.backbone.embed,
            jobs,
            batch_size=self.windows.batch_size,
            description=description,
            strategy=self.probe.backbone.strategy,
            check=self._check_finite,
        )

    def _keyed(self, split: str, store: FeatureStore) -> list[KeyedPart]:
        return [KeyedPart(part.rows, part, split, self._check_finite) for part in store.parts]

    def _check_finite(self, rows: Rows) -> None:
        source = self.probe.backbone.source
        model = source.location if source else "the model"
        check_finite(rows.features, rows.paths, model, self.probe.view_name)

    def _labelled(self, split: str) -> dict[str, windows.LabelledClips]:
        """The clips of each split of records in `split`, which joins some by +, or is '*' for all."""
        parts = parts_of(split, self.split_names, self.data_dir)
        return {name: self._clips(name) for name in parts}

    def _usable(self, split: str) -> dict[str, windows.LabelledClips]:
        self.labels(split)
        return {name: clips for name, clips in self._labelled(split).items() if len(clips.labels)}

    def _features(self, split: str, rows: dict[str, Rows]) -> ClipFeatures:
        joined = Rows.joined(list(rows.values()))
        self._check_finite(joined)
        keys = np.concatenate([_keys(name, part) for name, part in rows.items()])
        missing = self.total(split) - len(joined)
        return ClipFeatures(joined.features, joined.labels, keys, joined.paths, missing)


def _check_batch(batch_size: int, probe: Probe) -> None:
    replicas = probe.backbone.strategy.num_replicas_in_sync if probe.backbone.strategy else 1
    if batch_size % replicas:
        raise UserError(
            f"eval_windows.batch_size = {batch_size} cannot be divided over {replicas} devices: bind a "
            f"multiple of {replicas}."
        )


def _keys(split: str, rows: Rows) -> np.ndarray:
    return np.array([windows.clip_key(split, index) for index in rows.index], str)
