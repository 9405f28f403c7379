"""A user's clips, whatever they are kept in, one serialized clip record after the other."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf
from absl import logging

from brave_tf.data.clips import clip_list, media_files
from brave_tf.data.clips.clip import ListedClip, make_clip
from brave_tf.data.preparation import clip_encoder, filling
from brave_tf.data.preparation.record_writer import serialize_clip
from brave_tf.data.preparation.settings import HIGHEST_SIDE, PreparationSettings
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.reader import compression_of, parse_clip, parse_window
from brave_tf.data.records.splits import Shard
from brave_tf.data.sources import record_checks
from brave_tf.data.sources.record_stream import CORES
from brave_tf.data.sources.records import Records
from brave_tf.data.views.base import View
from brave_tf.errors import ArgumentError
from brave_tf.process import worker_pool

_QUALITY = 95


class UserClip(NamedTuple):
    """A clip, or why there is none.

    Attributes:
      path: the file as the user names it.
      start: seconds in the file at which it starts.
      end: seconds in the file at which it ends; None where nothing says so.
      record: a serialized clip record; b"" when there is none.
      label: name of its class, empty when unlabelled.
      stage: what failed, if anything: find, open, decode, read, crash or timeout.
      reason: why.
    """

    path: str
    start: float = 0.0
    end: float | None = None
    record: bytes = b""
    label: str = ""
    stage: str = ""
    reason: str = ""


class UserClips(NamedTuple):
    """Clips to embed.

    Attributes:
      count: how many; None when nobody counted.
      views: the views that can be made of them, by name.
      fields: view name -> the record fields that the view is made from.
      clips: the clips, read or decoded when asked for.
      left_out: what a folder of media files holds besides, see `media_files.left_out`.
    """

    count: int | None
    views: Mapping[str, View]
    fields: Mapping[str, Sequence[str]]
    clips: Iterator[UserClip]
    left_out: str = ""


def open_clips(
    source: str,
    views: Mapping[str, View],
    *,
    split: str | None = None,
    flow: str = "dis",
    workers: int = CORES,
    timeout: float = 300.0,
) -> UserClips:
    """Opens clips, having checked what can be checked before any long work.

    Media files become what `brave_tf_prepare` would make of them, in processes that a broken file
    cannot take down: frames at the views' rate and size, sound at their sample rate, flow only if a
    view needs it.

    Args:
      source: a folder of clip records; a media file; a folder of media files or a CSV that lists
        them, see `clip_list.read_clips`.
      views: by name. Of records, those whose modality no clip has are left out.
      split: of records; all if unset, 'a+b' for two.
      flow: `dis` or `tvl1`, for media files.
      workers: processes that decode media files.
      timeout: seconds that a media file may take.

    Raises:
      UserError: there is nothing, or nothing that the views can be made from.
    """
    if os.path.isdir(source) and Records.accepts(source):
        return _of_records(source, views, split)
    if split:
        raise ArgumentError(
            "split", split, f"a split of clip records, which {source} does not hold."
        )
    if os.path.isfile(source) and not source.lower().endswith(".csv"):
        if not media_files.is_media(source):
            raise ArgumentError(
                "input",
                source,
                "neither a CSV nor a media file; still images, subtitles and playlists are none.",
            )
        clips = [make_clip("", source)]
    else:
        clips = clip_list.read_clips(source)
    settings = _settings(views, flow)
    fields = {name: view.fields for name, view in views.items()}
    decoded = _decoded(clips, settings, workers or CORES, timeout)
    left_out = media_files.left_out(source, (clip.file for clip in clips))
    return UserClips(len(clips), views, fields, decoded, left_out)


def _of_records(source: str, views: Mapping[str, View], split: str | None) -> UserClips:
    info = DatasetInfo.load(source)
    chosen = info.split(split or "+".join(info.splits))
    counts = chosen.with_modality
    usable = {name: view for name, view in views.items() if counts.get(view.modality) != 0}
    if not usable:
        needed = ", ".join(f"{name} ({view.modality})" for name, view in views.items())
        raise ArgumentError("input", source, f"no clip has what a view is made from: {needed}.")
    record_checks.check(info, chosen.name, usable)
    fields = {name: info.stored_fields(view.fields) for name, view in usable.items()}
    return UserClips(chosen.clips, usable, fields, _read(chosen.shards, info))


def _read(shards: Sequence[Shard], info: DatasetInfo) -> Iterator[UserClip]:
    for shard in shards:
        path = shard.path
        records = iter(tf.data.TFRecordDataset(path, compression_of(path)))
        position = 0
        while True:
            try:
                record = next(records, None)
                if record is None:
                    if position < (1 if shard.clips is None else shard.clips):
                        raise tf.errors.DataLossError(None, None, "the shard is empty or cut short")
                    break
                clip, (start, end) = parse_clip(record, ()), parse_window(record)
                yield UserClip(
                    clip.path.numpy().decode("utf-8", "surrogateescape"),
                    float(start),
                    float(end) if end >= 0 else None,
                    record.numpy(),
                    _label_name(int(clip.label), info.labels),
                )
            except tf.errors.InvalidArgumentError as error:
                yield UserClip(f"{path}, record {position}", stage="read", reason=error.message)
            except tf.errors.OpError as error:
                yield UserClip(
                    f"{path}, from record {position} on", stage="read", reason=error.message
                )
                break
            position += 1


def _label_name(label: int, names: Sequence[str]) -> str:
    if label < 0:
        return ""
    return names[label] if label < len(names) else str(label)


def _settings(views: Mapping[str, View], flow: str) -> PreparationSettings:
    needed: dict[str, set] = {}
    for view in views.values():
        for setting, value in view.preparation().items():
            needed.setdefault(setting, set()).add(value)
    rates = sorted(needed.get("sample_rate", ()))
    if len(rates) > 1:
        raise ArgumentError(
            "view", ",".join(views), f"these hear sound at {rates} Hz. Embed them one by one."
        )
    settings = {"min_side": 16, "flow": "none", "audio": "none", "jpeg_quality": _QUALITY}
    settings.update({setting: max(values) for setting, values in needed.items()})
    # A view of a very small part would have frames enlarged without end: it enlarges them itself.
    settings["min_side"] = min(settings["min_side"], HIGHEST_SIDE)
    return PreparationSettings(**{**settings, **({"flow": flow} if "flow" in needed else {})})


def _decoded(
    clips: Sequence[ListedClip], settings: PreparationSettings, workers: int, timeout: float
) -> Iterator[UserClip]:
    encode = functools.partial(clip_encoder.try_encode, settings=settings)
    results = worker_pool.run_in_order(encode, clips, workers=workers, timeout=timeout)
    try:
        for clip, result in zip(clips, results):
            if isinstance(result, clip_encoder.PreparedClip):
                for warning in result.warnings:
                    logging.warning("%s: %s", clip.path, warning)
                index = {label: i for i, label in enumerate(clip.labels)}
                record = serialize_clip(result, settings, index)
                label = next(iter(clip.labels), "")
                yield UserClip(clip.path, clip.start, result.end, record, label)
            else:
                yield UserClip(clip.path, clip.start, clip.end, b"", "", *filling.failure(result))
    finally:
        results.close()
