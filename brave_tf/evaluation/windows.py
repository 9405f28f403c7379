"""The windows of labelled clips that protocols embed."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from brave_tf.data import pipeline
from brave_tf.data.source import open_source
from brave_tf.data.views.base import View
from brave_tf.errors import UserError
from brave_tf.evaluation.part_store import digest_of_files


@dataclasses.dataclass(frozen=True)
class LabelledClips:
    """The clips of a split that a classifier can be trained or scored on.

    Attributes:
      labels: (clips,) int64, their classes in the order of the data.
      missing: how many other clips the split has: those without label or without the modality.
      version: changes with the files, and with how they are read.
    """

    labels: np.ndarray
    missing: int
    version: str


def labelled_clips(data_dir: str, split: str, view: View) -> LabelledClips:
    """Reads the labels of a split, decoding nothing.

    Raises:
      UserError: when the folder, the split or its modality cannot be used, or no clip has a label.
    """
    source = open_source(data_dir)
    source.check(split, {"view": view})
    labels = source.labels(split, view)
    kept = labels[labels >= 0]
    if not len(kept):
        raise UserError(
            f"{data_dir}: no clip of split {split!r} has both {view.modality} and a label. Put the "
            "media files into one folder per class, or list them in a CSV with a column of labels."
        )
    missing = (source.num_clips(split) or len(labels)) - len(kept)
    version = f"{digest_of_files(source.files(split))} {dict(source.settings)}"
    return LabelledClips(kept, missing, version)


def augmented_windows(
    data_dir: str, split: str, view: View, batch_size: int, seed: int
) -> tf.data.Dataset:
    """Endless augmented windows of the labelled clips, each clip once per pass.

    Returns:
      A dataset of (window float32 of `view.shape`, label int64).
    """
    batches = pipeline.clip_dataset(
        data_dir, split, {"view": view}, batch_size, training=True, seed=seed
    )
    windows = batches.unbatch().map(lambda clip: (clip["view"], clip["label"]))
    return windows.filter(lambda _, label: label >= 0)


def crop_windows(
    data_dir: str, split: str, view: View, temporal: int, spatial: int
) -> tf.data.Dataset:
    """The test crops of the labelled clips, the crops of one clip after the other.

    Returns:
      A dataset of (crop float32 of `view.shape`, label int64).
    """
    clips = pipeline.crop_dataset(data_dir, split, view, temporal, spatial)
    clips = clips.filter(lambda clip: clip["label"] >= 0)

    def crops(clip: dict[str, tf.Tensor]) -> tf.data.Dataset:
        crops = tf.data.Dataset.from_tensor_slices(clip["crops"])
        return crops.map(lambda crop: (crop, clip["label"]))

    return clips.flat_map(crops)
