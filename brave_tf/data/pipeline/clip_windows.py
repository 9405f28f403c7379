"""The windows of each clip, in the order of the clips, that evaluation is made on.

Test crops at fixed places, and augmented training windows that are a function of the seed, of the pass and of
the clip alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Callable

import tensorflow as tf

from brave_tf.data.kernels.library import compiled_kernels
from brave_tf.data.pipeline.batches import dataset_options, labels_of, sample_views
from brave_tf.data.records.reader import Clip
from brave_tf.data.sources.attempts import SkippedClips, successes, try_all
from brave_tf.data.sources.base import Item, Stream
from brave_tf.data.sources.kinds import open_source
from brave_tf.data.sources.record_stream import CORES
from brave_tf.data.views.base import View

# Test crops of one clip take up to half a gigabyte; no more of them are made at the same time than fit.
_CROP_BYTES = 2**30
# Stream, item, place among the passes, seed -> the clip and its windows.
_Cut = Callable[[Stream, Item, tf.Tensor, tf.Tensor], "tuple[Clip, tf.Tensor]"]
# What is told of a clip beside its windows.
_Told = Callable[[Item, Clip], "dict[str, tf.Tensor]"]


def crop_dataset(
    data_dir: str | os.PathLike[str],
    split: str,
    view: View,
    temporal: int = 10,
    spatial: int = 3,
    *,
    start_clip: int = 0,
    num_labels: int | None = None,
    skipped: SkippedClips | None = None,
) -> tf.data.Dataset:
    """Makes the test crops of each clip, in the order of the shards.

    Args:
      data_dir: a folder of records, or media files, see `open_source`.
      split: its split; 'a+b' for several.
      view: what to cut from a clip.
      temporal: windows per clip.
      spatial: crops per window; sound has one.
      start_clip: this many clips are left out, without being decoded.
      num_labels: classes of a dataset whose clips have several labels, which adds 'multi_hot'.
      skipped: where clips that cannot be read are noted; None for an account of the dataset's own.

    Returns:
      A dataset of dicts, one per clip: 'crops' (temporal * spatial, *view.shape) float32, 'label' () int64,
      'index' () int64, the position among the clips that have the view's modality (clips that cannot be
      read are noted and left out, so numbers may be missing), 'path' () string, 'multi_hot' as in
      `batches.clip_dataset`. It ends with an InvalidArgumentError when too many are left out.

    Raises:
      UserError: the view cannot be made from the split, see `Source.check`.
    """
    stream = _open(data_dir, split, view)
    told = _labels(num_labels)
    cut, windows = _crops(view, temporal, spatial), temporal * spatial
    return _in_order(stream, view, cut, windows, told, 0, [start_clip], skipped)


def row_dataset(
    stream: Stream,
    view: View,
    row_of: Callable[[Item], tf.Tensor],
    temporal: int = 1,
    spatial: int = 1,
    *,
    start_clip: int = 0,
    skipped: SkippedClips | None = None,
) -> tf.data.Dataset:
    """Makes the test crops of each clip of a stream, in its order, with the row of the clip.

    Args:
      stream: of the clips; those of other views that are to have the same rows have to be in it.
      view: what to cut from a clip.
      row_of: see `ClipRows.of`.
      temporal: as in `crop_dataset`.
      spatial: as in `crop_dataset`.
      start_clip: as in `crop_dataset`.
      skipped: as in `crop_dataset`.

    Returns:
      What `crop_dataset` returns, where 'label' is the row, and 'index' the position in the stream.
    """

    def told(item: Item, clip: Clip) -> dict[str, tf.Tensor]:
        return {"label": row_of(item)}

    cut, windows = _crops(view, temporal, spatial), temporal * spatial
    return _in_order(stream, view, cut, windows, told, 0, [start_clip], skipped)


def pass_dataset(
    data_dir: str | os.PathLike[str],
    split: str,
    view: View,
    passes: Sequence[tuple[int, int]] = ((0, 0),),
    *,
    seed: int = 0,
    num_labels: int | None = None,
    skipped: SkippedClips | None = None,
) -> tf.data.Dataset:
    """Makes one augmented training window of each clip, in the order of the shards, pass after pass.

    Args:
      data_dir: as in `crop_dataset`.
      split: as in `crop_dataset`.
      view: what to cut from a clip and how to augment it.
      passes: number of each pass, on which its windows depend, and of its first clip.
      seed: of all that is random.
      num_labels: as in `crop_dataset`.
      skipped: as in `crop_dataset`.

    Returns:
      What `crop_dataset` returns, and 'pass' () int64, the position in `passes`; 'crops' is (1, *view.shape).

    Raises:
      UserError: the view cannot be made from the split, see `Source.check`.
    """
    numbers = [number for number, _ in passes]

    @tf.autograph.experimental.do_not_convert
    def cut(stream: Stream, item: Item, which: tf.Tensor, seed: tf.Tensor) -> tuple:
        seed = tf.random.experimental.stateless_fold_in(seed, tf.gather(numbers, which))
        clip = stream.parse(item, seed)
        return clip, sample_views(clip, {"crops": view}, seed)["crops"][tf.newaxis]

    starts = [start for _, start in passes]
    stream = _open(data_dir, split, view)
    return _in_order(stream, view, cut, 1, _labels(num_labels), seed, starts, skipped)


def by_window(clips: tf.data.Dataset) -> tf.data.Dataset:
    """Divides what is made here into the windows of clips, without the clips that have no label.

    Returns:
      A dataset of dicts: 'window' (n, *view.shape) float32, where n is what is cut from a clip, and 'index',
      'path', 'pass' and 'label' of the clip, (n, ...) each; where the clips have several labels, 'label' is
      (n, num_labels) bool.
    """

    def windows(clip: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        label = tf.cast(clip["multi_hot"], tf.bool) if "multi_hot" in clip else clip["label"]
        crops = clip["crops"]
        of_clip = {**{name: clip[name] for name in ("index", "path", "pass")}, "label": label}
        repeated = {k: tf.repeat(v[tf.newaxis], crops.shape[0], 0) for k, v in of_clip.items()}
        return {"window": crops, **repeated}

    return clips.filter(lambda clip: clip["label"] >= 0).map(windows)


def _open(data_dir: str | os.PathLike[str], split: str, view: View) -> Stream:
    source = open_source(data_dir)
    source.check(split, {"crops": view})
    return source.stream(split, {"crops": view})


def _crops(view: View, temporal: int, spatial: int) -> _Cut:
    @tf.autograph.experimental.do_not_convert
    def cut(stream: Stream, item: Item, which: tf.Tensor, seed: tf.Tensor) -> tuple:
        clip = stream.parse(item)
        return clip, view.crops(clip, temporal, spatial)

    return cut


def _labels(num_labels: int | None) -> _Told:
    return lambda item, clip: labels_of(clip, num_labels)


def _in_order(
    stream: Stream,
    view: View,
    cut: _Cut,
    windows: int,
    told: _Told,
    seed: int,
    starts: Sequence[int],
    skipped: SkippedClips | None,
) -> tf.data.Dataset:
    """Cuts so many windows from each clip, again and again from the clips `starts` on; see `crop_dataset`."""

    @tf.autograph.experimental.do_not_convert
    def items(which: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
        once = stream.once(seed, start).enumerate(start)
        return once.map(lambda index, item: (which, index, *item))

    @tf.autograph.experimental.do_not_convert
    def make(which: tf.Tensor, index: tf.Tensor, item: Item, clip_seed: tf.Tensor) -> dict:
        with compiled_kernels():
            clip, crops = cut(stream, item, which, clip_seed)
        found = {"crops": crops, "index": index, "path": clip.path, "pass": which}
        return {**found, **told(item, clip)}

    each = tf.data.Dataset.from_tensor_slices(tf.constant(starts, tf.int64)).enumerate()
    bytes_per_clip = 4 * windows * math.prod(view.shape)
    parallel = min(CORES, max(1, _CROP_BYTES // bytes_per_clip))
    tried = try_all(each.flat_map(items), make, parallel)
    name = lambda which, index, item, clip_seed: stream.name(item)  # noqa: E731
    clips = successes(tried, make, name, skipped or SkippedClips(), fill_gaps=False)
    return clips.prefetch(1).with_options(dataset_options())
