"""The windows of labelled clips that protocols embed.

All protocols share one setting of them, `eval_windows`, so that they share features too.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator, Sequence

import gin
import numpy as np
import tensorflow as tf

from brave_tf import modality_registry as modalities
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.pipeline import clip_windows
from brave_tf.data.records.reader import Clip
from brave_tf.data.sources.kinds import open_source
from brave_tf.data.views.base import Augmentation, View
from brave_tf.data.views.squares import OF_CORNERS
from brave_tf.errors import UserError
from brave_tf.storage.added_fields import added_field
from brave_tf.storage.digests import digest_of_files

_COUNTS = ("train_passes", "temporal_crops", "spatial_crops", "batch_size")
_SIZES = ("num_frames", "size", "resize", "test_size")


@gin.configurable("eval_windows")
@dataclasses.dataclass(frozen=True)
class EvalWindows:
    """Which windows are cut from clips; bound in gin as `eval_windows.<name>`.

    The defaults are those of the published BraVe evaluations: 10 augmented passes over the training
    clips with twice the narrow window's frames; 10 temporal x 3 spatial crops of the test clips.
    Training windows are cropped as the view crops them and augmented as their modality says: by flip and
    colour (rgb), flip (flow) or nothing (audio). A view that is not flipped in pre-training is not flipped
    here either, for its classes may differ in left and right alone.

    Attributes:
      num_frames: frames of a window; by default twice the view's for the narrow view (the published
        32 for 16), and the view's own for others.
      size: side of the frames in pixels; by default the view's.
      resize: shorter side of the test frames before cropping; by default the view's, or 8/7 of the
        size (256 for 224).
      train_passes: augmented windows per training clip.
      temporal_crops: windows per test clip, evenly spaced.
      spatial_crops: squares per test window, of rgb and flow: top left, centre and bottom right for 3.
      batch_size: windows per forward pass, over all devices.
      seed: of windows and augmentations.
      augmentations: functions after the crop of a training window; None for those above.
      test_size: side of the squares that are cut from test frames, where it is not `size`: CVRL and rho-BYOL
        train on 224 pixels and test on 256. Test frames are resized to it, or to `resize` if that is larger.
      corner_crops: whether the squares of a test window are its corners, its centre, and the mirrors of
        these: ten, in place of `spatial_crops` (CoCLR).

    Raises:
      UserError: a value cannot be used.
    """

    num_frames: int | None = None
    size: int | None = None
    resize: int | None = None
    train_passes: int = 10
    temporal_crops: int = 10
    spatial_crops: int = 3
    batch_size: int = 8
    seed: int = 0
    augmentations: Sequence[Augmentation] | None = added_field(None)
    test_size: int | None = added_field(None)
    corner_crops: bool = added_field(False)

    def __post_init__(self) -> None:
        for name in (*_COUNTS, *(name for name in _SIZES if getattr(self, name) is not None)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise UserError(
                    f"eval_windows.{name} = {value!r}: expected a whole number above 0."
                )

    def view(self, view: View, is_narrow: bool) -> View:
        """Returns the view of the protocols' windows.

        Args:
          view: that the backbone was trained on.
          is_narrow: whether it is the narrow view of its recipe.

        Raises:
          UserError: something is asked about frames, which the view does not have.
        """
        modality = modalities.find(view.modality)
        changes = modality.evaluated(view, self, is_narrow)
        augmentations = self.augmentations
        if augmentations is None:
            augmentations = usual_augmentations(view)
        return dataclasses.replace(
            view, augmentations=tuple(augmentations), step_augmentations=(), **changes
        )

    def test_view(self, view: View) -> View:
        """Returns the view of test crops.

        Args:
          view: that of the windows, from `view`.

        Raises:
          UserError: a size is asked for, which the view does not have.
        """
        if self.test_size is None:
            return view
        changes = modalities.find(view.modality).tested(view, self.test_size)
        return dataclasses.replace(view, **changes)

    def crops(self, view: View) -> tuple[int, int]:
        """Returns the temporal and the spatial crops of a test clip."""
        asked = OF_CORNERS if self.corner_crops else self.spatial_crops
        return self.temporal_crops, modalities.find(view.modality).spatial_crops(asked)


def usual_augmentations(view: View) -> tuple[Augmentation, ...]:
    """Returns those of the modality, without flips where the view that was trained on has none."""
    flip = inspect.unwrap(random_flip)
    flipped = flip in map(inspect.unwrap, (*view.augmentations, *view.step_augmentations))
    usual = modalities.find(view.modality).augmentations()
    return tuple(each for each in usual if flipped or inspect.unwrap(each) is not flip)


def told_augmentations(view: View, augmentations: Sequence[Augmentation]) -> list[str]:
    """Names augmentations for the key of what is kept; those of the modality have no part in it."""
    if tuple(augmentations) == modalities.find(view.modality).augmentations():
        return []
    return [f"augmentations: {', '.join(each.__name__ for each in augmentations)}"]


@dataclasses.dataclass(frozen=True)
class LabelledClips:
    """The clips of a split that a classifier can be trained or scored on.

    Attributes:
      labels: (clips,) int64, the first label of each, in the order of the data.
      total: how many clips the split has, with those without label or without the modality.
      version: changes with the files, and with how they are read.
    """

    labels: np.ndarray
    total: int
    version: str


def labelled_clips(data_dir: str, split: str, view: View) -> LabelledClips:
    """Reads the labels of a split, decoding nothing; a split without the modality of the view has none.

    Raises:
      UserError: when the folder cannot be used, or has no such split.
    """
    source = open_source(data_dir)
    labels = source.labels(split, view)
    version = f"{digest_of_files(source.files(split))} {dict(source.settings)}"
    return LabelledClips(labels[labels >= 0], source.num_clips(split) or len(labels), version)


def pass_windows(
    data_dir: str,
    split: str,
    view: View,
    passes: Sequence[tuple[int, int]],
    seed: int,
    num_labels: int | None = None,
) -> tf.data.Dataset:
    """Augmented windows of the labelled clips, one of each in every pass; see `crop_windows`.

    Args:
      data_dir: folder of prepared records, or media files.
      split: of the clips.
      view: what to cut and how to augment it.
      passes: number of each pass and of its first clip.
      seed: of windows and augmentations.
      num_labels: classes of clips that have several labels.
    """
    clips = clip_windows.pass_dataset(
        data_dir, split, view, passes, seed=seed, num_labels=num_labels
    )
    return clip_windows.by_window(clips)


def crop_windows(
    data_dir: str,
    split: str,
    view: View,
    temporal: int,
    spatial: int,
    start: int = 0,
    num_labels: int | None = None,
) -> tf.data.Dataset:
    """The test crops of the labelled clips from number `start` on, those of one clip after the other.

    Returns:
      A dataset of dicts: 'window' (n, *view.shape) float32, where n is what is cut from a clip, 'index' (n,)
      int64, the number of the clip, 'path' (n,) string, 'pass' (n,) int64, the position in the passes, and
      'label' (n,) int64, or (n, num_labels) bool when the clips have several.
    """
    clips = clip_windows.crop_dataset(
        data_dir, split, view, temporal, spatial, start_clip=start, num_labels=num_labels
    )
    return clip_windows.by_window(clips)


def clip_key(split: str, index: int) -> str:
    """Names a clip: its split of records, and its number among the clips there with the view's modality."""
    return f"{split}/{index}"


def read_clips(data_dir: str, keys: Iterable[str], view: View) -> Iterator[tuple[str, Clip]]:
    """Reads the clips that `clip_key` named, whole, each once, in one pass over each split of records.

    Returns:
      Pairs of a key and its clip.

    Raises:
      UserError: there is no such clip.
    """
    wanted: dict[str, set[int]] = {}
    for key in keys:
        split, _, index = key.rpartition("/")
        wanted.setdefault(split, set()).add(int(index))
    for split in sorted(wanted):
        numbers = sorted(wanted[split])
        stream = open_source(data_dir).stream(split, {"view": view})
        items = stream.once(0).enumerate().take(numbers[-1] + 1)
        items = items.filter(lambda index, _, numbers=numbers: tf.reduce_any(index == numbers))
        for index, (item, _) in items:
            numbers.remove(int(index))
            yield clip_key(split, int(index)), stream.parse(item)
        if numbers:
            raise UserError(
                f"{data_dir}: split {split!r} has no clip number {numbers[0]} with {view.modality}."
            )
