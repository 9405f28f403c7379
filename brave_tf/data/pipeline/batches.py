"""Clips become batches of views.

The order of clips, the windows, crops and augmentations are a function of the seed and of the
position in the run alone: neither parallelism nor the point at which a run was resumed changes a
batch.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

import gin
import tensorflow as tf

from brave_tf.data.kernels.library import compiled_kernels
from brave_tf.data.pipeline import decode_service
from brave_tf.data.pipeline.clip_fields import ClipFields
from brave_tf.data.records.reader import Clip
from brave_tf.data.sources.attempts import SkippedClips, successes, try_all
from brave_tf.data.sources.base import Item
from brave_tf.data.sources.kinds import open_source
from brave_tf.data.sources.record_stream import CORES
from brave_tf.data.views import in_step
from brave_tf.data.views.base import View
from brave_tf.data.views.windows import WindowRule, draw_windows
from brave_tf.errors import ArgumentError, UserError

_RESERVED = ("label", "multi_hot")


@gin.configurable(allowlist=["shuffle_buffer", "windows_per_clip", "num_parallel"])
def clip_dataset(
    data_dir: str | os.PathLike[str],
    split: str,
    views: Mapping[str, View],
    batch_size: int,
    *,
    training: bool,
    seed: int = 0,
    start_batch: int = 0,
    part: tuple[int, bool] | None = None,
    num_labels: int | None = None,
    finished: bool = True,
    input_context: tf.distribute.InputContext | None = None,
    skipped: SkippedClips | None = None,
    service: str | None = None,
    windows: Sequence[WindowRule] = (),
    clip_fields: ClipFields | None = None,
    shuffle_buffer: int = 256,
    windows_per_clip: int = 1,
    num_parallel: int = CORES,
) -> tf.data.Dataset:
    """Makes batches of views.

    Training is endless: every epoch has each clip once, in an order of its own (the shards shuffled
    and interleaved, then a shuffle buffer), and batches run across the ends of epochs. Otherwise
    there is one epoch, in the order of the shards, and the last batch may be smaller.

    The first view is the narrow one, with which the windows of others start: see `draw_windows`. Windows that
    run over the end of a clip go on from its start.

    Clips without a modality that the views need are left out. Clips that cannot be read are logged and
    counted. In training the clip after one takes its place too, so that the batches that follow stay
    what they were; otherwise it is left out. When they are too many, the dataset ends with an
    InvalidArgumentError; see `SkippedClips`.

    With a `service`, training clips are made by its workers, which take shards in turns. Each epoch still
    has each clip once, with the windows and augmentations that it has without the service. What is lost
    is the order, which depends on the speed of the workers: clips of one epoch may come during the one
    before or after it, and a resumed run goes on with about the shard that it was at. When a worker ends,
    the rest of the shards that it was at is left out.

    Args:
      data_dir: a folder of records, or media files, see `open_source`.
      split: its split; 'a+b' for several, '*' for all.
      views: by name; the names become the keys of a batch.
      batch_size: over all replicas and input pipelines.
      training: see above.
      seed: of all that is random.
      start_batch: this many batches of the run are left out, without being decoded.
      part: (n, held_out): only one clip in n, or all but those, see `Stream.part`; None for all.
      num_labels: classes of a dataset whose clips have several labels, which adds 'multi_hot'.
      finished: whether `View.step_augmentations` are applied here; otherwise the step is to do so, see
        `in_step.finish_views`.
      input_context: of `tf.distribute`. The dataset then is the share of one input pipeline, in
        batches for one replica. Pipelines share no clip: each reads its own shards, or its own
        records of all shards when there are fewer shards than pipelines.
      skipped: where clips that cannot be read are noted; None for an account of the dataset's own.
      service: address of the dispatcher of a tf.data service, 'grpc://host:port', that makes training
        clips on other machines; see `decode_service`. Its workers read `data_dir` under the same name.
      windows: rules between the windows of a clip, see `draw_windows`.
      clip_fields: what batches say of their clips beside their labels. Where no clip may be in a batch twice,
        batches do not run across the ends of epochs: other clips are left out of each so that whole batches
        remain. Then a clip that takes the place of one that cannot be read, and would be there twice, has no
        row; clips of a service that are there again are left out.
      shuffle_buffer: records among which the next one is drawn in training; they are held in memory, whole
        where they have no index.
      windows_per_clip: number of windows of a clip that follow each other in training, each with its own
        draws. In a batch with several windows of a clip, views agree less by what is the same in all of the
        clip, such as its light and loudness, and more by what changes. An epoch has that many times more
        windows.
      num_parallel: clips that are made at the same time, by each worker where there is a service; by
        default one per core of this machine.

    Returns:
      A dataset of dicts: view name -> (B, *view.shape) float32; 'label' -> (B,) int64, the first label,
      -1 when there is none; 'multi_hot' -> (B, num_labels) float32, and `clip_fields`, when asked for. Views
      that are not finished have their seeds beside them, `in_step.seed_key(name)` -> (B, 2) int32.

    Raises:
      UserError: the views cannot be made from the split, see `Source.check`, a number cannot be used,
        or the service does not answer.
    """
    pipelines = input_context.num_input_pipelines if input_context else 1
    pipeline = input_context.input_pipeline_id if input_context else 0
    replicas = input_context.num_replicas_in_sync if input_context else 1
    _check(views, batch_size, start_batch, shuffle_buffer, windows_per_clip, replicas)
    source = open_source(data_dir)
    source.check(split, views)
    stream = source.stream(split, views, pipelines, pipeline)
    stream = stream if part is None else stream.part(*part)
    share = batch_size // pipelines
    clip_fields = clip_fields or ClipFields()
    clip_fields.check(views, stream, share)
    each = windows_per_clip if training else 1
    if each > 1 and clip_fields.once:
        raise UserError(
            f"clip_dataset.windows_per_clip = {each}: expected 1, since the objective wants no clip in a "
            "batch twice."
        )
    skip, begun = divmod(start_batch * share, each)
    if service and training:
        try:
            items = stream.by_shard(seed, shuffle_buffer, skip)
        except UserError as error:
            raise ArgumentError("service", service, str(error)) from error
    elif training:
        whole = {"whole": share} if clip_fields.once else {}
        items = stream.endless(seed, shuffle_buffer, skip, **whole)
    else:
        items = stream.once(seed, skip)
    items = items if each == 1 else _repeated(items, each).skip(begun)
    # The processes of a service may not have them.
    kernels = contextlib.nullcontext if service and training else compiled_kernels

    @tf.autograph.experimental.do_not_convert
    def make(item: Item, clip_seed: tf.Tensor) -> dict[str, tf.Tensor]:
        clip = stream.parse(item, clip_seed)
        with kernels():
            sampled = sample_views(clip, views, clip_seed, finished, windows)
        return {**sampled, **labels_of(clip, num_labels), **clip_fields.of(stream, item)}

    tried = try_all(items, make, num_parallel)
    if service and training:
        tried = tried.with_options(dataset_options())
        tried = decode_service.distribute(tried, service, source.files(split)[0])
    name = lambda item, clip_seed: stream.name(item)  # noqa: E731
    # What a service makes has no place of its own.
    in_place = training and not (clip_fields.once and service)
    clips = successes(tried, make, name, skipped or SkippedClips(), fill_gaps=in_place)
    clips = clip_fields.settle(clips, share, in_place)
    batches = clips.batch(batch_size // replicas, drop_remainder=training)
    return batches.prefetch(2).with_options(local_options())


def sample_views(
    clip: Clip,
    views: Mapping[str, View],
    seed: tf.Tensor,
    finished: bool = True,
    windows: Sequence[WindowRule] = (),
) -> dict[str, tf.Tensor]:
    """Samples each view of a clip; see `draw_windows` for where their windows start.

    Args:
      clip: a clip that has the fields of all views.
      views: by name, the narrow one first.
      seed: (2,) int32; the same seed gives the same samples.
      finished: see `clip_dataset`.
      windows: see `clip_dataset`.

    Returns:
      view name -> float32 of the view's shape; `in_step.seed_key(name)` -> (2,) int32 of those not finished.
    """
    result = {}
    for name, window in draw_windows(clip, views, seed, windows).items():
        view = window.view
        if view.step_augmentations and not finished:
            view = view.unfinished()
            result[in_step.seed_key(name)] = window.seed
        result[name] = view.sample(clip, window.start, window.seed)
    return result


def labels_of(clip: Clip, num_labels: int | None) -> dict[str, tf.Tensor]:
    """Returns 'label' and, if `num_labels` is not None, 'multi_hot' of a clip; see `clip_dataset`."""
    if num_labels is None:
        return {"label": clip.label}
    each = tf.one_hot(clip.labels, num_labels)
    return {"label": clip.label, "multi_hot": tf.reduce_max(tf.pad(each, [[0, 1], [0, 0]]), axis=0)}


def dataset_options() -> tf.data.Options:
    """Returns the options of all datasets: their order is that of the clips, whatever is done in parallel."""
    options = tf.data.Options()
    options.deterministic = True
    # Ending a long run would wait, up to minutes, for autotuning's model of all that was read.
    options.autotune.enabled = False
    # Input pipelines are told their share by the input context.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options


def local_options() -> tf.data.Options:
    """Returns the options of datasets whose clips are made in this process, as many at a time as cores."""
    options = dataset_options()
    # Clips keep the cores busy: sharing out what each operation does as well would only cost time.
    options.threading.max_intra_op_parallelism = 1
    # One thread more than cores, as one or another waits for the clip whose turn it is.
    options.threading.private_threadpool_size = CORES + 1
    return options


def _repeated(items: tf.data.Dataset, times: int) -> tf.data.Dataset:
    """Repeats each of (item, seed), with seeds of their own."""

    @tf.autograph.experimental.do_not_convert
    def windows(item: Item, seed: tf.Tensor) -> tf.data.Dataset:
        fold_in = tf.random.experimental.stateless_fold_in
        return tf.data.Dataset.range(times).map(lambda number: (item, fold_in(seed, number)))

    return items.flat_map(windows)


def _check(
    views: Mapping[str, View],
    batch_size: int,
    start_batch: int,
    shuffle_buffer: int,
    windows_per_clip: int,
    replicas: int,
) -> None:
    if not views:
        raise UserError("no views: a recipe needs at least one.")
    for name in _RESERVED:
        if name in views:
            raise UserError(f"a view cannot be called {name!r}: batches have a key of that name.")
    if batch_size < 1 or batch_size % replicas:
        raise UserError(
            f"batch_size = {batch_size}: expected a multiple of the {replicas} replicas."
        )
    if start_batch < 0:
        raise UserError(f"start_batch = {start_batch}: expected 0 or more.")
    if shuffle_buffer < 1:
        raise UserError(f"clip_dataset.shuffle_buffer = {shuffle_buffer}: expected 1 or more.")
    if windows_per_clip < 1:
        raise UserError(f"clip_dataset.windows_per_clip = {windows_per_clip}: expected 1 or more.")
