"""Features of a bounded number of clips with their labels, computed while a run goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow as tf

from brave_tf import modality_registry as modalities
from brave_tf.data.pipeline import batches
from brave_tf.data.sources.kinds import open_source
from brave_tf.data.views.base import View
from brave_tf.errors import UserError
from brave_tf.objectives.base import Objective

_BATCH = 16
_SIDE = 48


@dataclasses.dataclass(frozen=True)
class WatchedClips:
    """Clips as a network sees them.

    Attributes:
      features: (N, D) float32.
      labels: (N,) int64, -1 for a clip without a label.
      stills: (N, 48, 48, 3) uint8 RGB, a picture of each window.
    """

    features: np.ndarray
    labels: np.ndarray
    stills: np.ndarray


class ClipSample:
    """Some clips of a split, the same windows of them whenever they are embedded; not augmented.

    Args:
      data_dir: records or media files.
      split: of the clips.
      view_name: of the view whose backbone embeds them.
      view: that view.
      count: how many clips, unless there are fewer.
      part: of the split, see `clip_dataset`.
      labelled: leave out the clips without a label.

    Raises:
      UserError: there are none.
    """

    def __init__(
        self,
        data_dir: str,
        split: str,
        view_name: str,
        view: View,
        count: int,
        *,
        part: tuple[int, bool] | None = None,
        labelled: bool = False,
    ):
        source = open_source(data_dir)
        source.check(split, {view_name: view})
        labels = source.labels(split, view)
        there = int(np.sum(labels >= 0)) if labelled else len(labels)
        if not there:
            raise UserError(
                f"{data_dir}: no clip of split {split!r} has both {view.modality} and a label, which a probe "
                "needs: prepare the clips with labels, or take the binding train.probe away."
            )
        self._view_name, self._view = view_name, dataclasses.replace(view, augmentations=())
        self._data_dir, self._split, self._part, self._labelled = data_dir, split, part, labelled
        self._count = min(count, there // part[0] if part else there) or 1
        self.label_names: Sequence[str] = source.label_names
        self._forward: tf.types.experimental.GenericFunction | None = None

    def embed(self, objective: Objective) -> WatchedClips:
        """Returns the clips with the features that the objective's backbone has for them now."""
        if self._forward is None:
            spec = tf.TensorSpec((_BATCH, *self._view.shape), tf.float32)
            embed = lambda x: objective.embed(self._view_name, x)  # noqa: E731
            self._forward = tf.function(embed, input_signature=[spec])
        features, labels, stills = [], [], []
        for clips in self._clips().batch(_BATCH, drop_remainder=True):
            windows = clips[self._view_name]
            features.append(self._forward(windows).numpy())
            labels.append(clips["label"].numpy())
            stills += [_still(self._view, window) for window in windows.numpy()]
            if len(stills) >= self._count:
                break
        arrays = map(np.concatenate, (features, labels, [np.stack(stills)]))
        return WatchedClips(*(array[: self._count] for array in arrays))

    def _clips(self) -> tf.data.Dataset:
        # Records lie in a random order already, and a buffer of them would take time and memory.
        clips = batches.clip_dataset(
            self._data_dir,
            self._split,
            {self._view_name: self._view},
            1,
            training=True,
            part=self._part,
            shuffle_buffer=1,
            windows_per_clip=1,
        ).unbatch()
        return clips.filter(lambda clip: clip["label"] >= 0) if self._labelled else clips


def _still(view: View, window: np.ndarray) -> np.ndarray:
    drawn = modalities.find(view.modality).still(view.shown(window))
    if drawn is None:
        return np.zeros((_SIDE, _SIDE, 3), np.uint8)
    return cv2.resize(drawn, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
