"""Input pipeline: clips per second, and as a share of plain JPEG decoding.

On rendered clips of 10 s, 320x240 pixels, 37 KB a frame and 48 kHz sound, or on --data=DIR. Rendered shards
have several names each: epochs have hundreds of clips, so that starting one (some 30 ms) counts no more than
in a collection. The limit is `tf.io.decode_jpeg` of whole frames of these very clips, as many at the same
time as the pipeline makes clips. Each row's share is the frames per second that its views show over the
limit of the same turn.

Rows: `whole` decode, resize and scale whole frames, `crop` random crops of them, both without other
augmentations; V is the narrow view alone. V/A and V/V do the work of BraVe's views: narrow 16 frames of 224
pixels, cropped, flipped, recoloured, grayed and blurred, with 10.24 s of sound as a log-mel spectrogram (V/A)
or with 64 frames of 112 pixels under random convolutions (V/V). `in step` is what is left of it for the
pipeline when colour, gray and blur are left to the training step. Clips are read by the indexes of the
shards, which are made first where they are missing; `no index` reads records whole.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from bench import clips, timing
from brave_tf.data.augment.gaussian_blur import gaussian_blur
from brave_tf.data.augment.random_color import METHODS, random_color
from brave_tf.data.augment.random_convolution import random_convolution
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.augment.random_gray import random_gray
from brave_tf.data.pipeline.batches import clip_dataset, local_options
from brave_tf.data.records import fields as record_fields
from brave_tf.data.records import index as record_index
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.sources.record_stream import CORES
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.base import View
from brave_tf.data.views.rgb import RgbView

_LIMIT = "decode limit"
_INDEX, _NO_INDEX = "index", "no index"
_WARM_UP = 2  # Batches.
_LIMIT_CLIPS = 4  # Clips whose frames the limit decodes.
_NAMES = 16  # Of a rendered shard.
SHUFFLE_BUFFER = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("--data", help="a folder of records with rgb and 48 kHz sound")
    parser.add_argument("--split", help="its split; the first one by default")
    parser.add_argument("--clips", type=int, default=24, help="clips to render without --data")
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--batches", type=int, default=32, help="batches of one measurement")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=CORES, help="clips made at the same time")
    parser.add_argument("--shuffle_buffer", type=int, default=SHUFFLE_BUFFER)
    parser.add_argument("--color", choices=list(METHODS), default="exact")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the limit and every pipeline in turn."""
    with contextlib.ExitStack() as stack:
        data_dir = args.data
        if not data_dir:
            data_dir = stack.enter_context(tempfile.TemporaryDirectory())
            clips.write_clips(pathlib.Path(data_dir), args.clips)
            lengthen_epochs(pathlib.Path(data_dir))
        folders = {}
        for kind in (_INDEX, _NO_INDEX):
            folders[kind] = stack.enter_context(tempfile.TemporaryDirectory())
            _link(pathlib.Path(data_dir), pathlib.Path(folders[kind]))
        _link(
            pathlib.Path(data_dir, record_index.FOLDER),
            pathlib.Path(folders[_INDEX], record_index.FOLDER),
        )
        info = DatasetInfo.load(folders[_INDEX])
        split = args.split or next(iter(info.splits))
        for shard in info.split(split).shards:
            if not os.path.exists(record_index.path_of(shard.path)):
                record_index.make(shard.path)
        return _measure(args, folders, split)


def _link(source: pathlib.Path, folder: pathlib.Path) -> None:
    """Fills a folder with links to the files of another, not to those of folders in it."""
    folder.mkdir(exist_ok=True)
    for path in source.resolve().glob("*"):
        if path.is_file():
            (folder / path.name).symlink_to(path)


def _measure(args: argparse.Namespace, folders: dict[str, str], split: str) -> dict[str, Any]:
    view_sets = _view_sets(args.color)
    sources = {name: _NO_INDEX if name.endswith(_NO_INDEX) else _INDEX for name in view_sets}
    jpegs = _jpegs(DatasetInfo.load(folders[_INDEX]), split)
    functions = {_LIMIT: functools.partial(_decoding, jpegs, args.threads)}
    for name, views in view_sets.items():
        dataset = clip_dataset(
            folders[sources[name]],
            split,
            views,
            args.batch_size,
            training=True,
            finished=False,
            shuffle_buffer=args.shuffle_buffer,
            num_parallel=args.threads,
        )
        functions[name] = functools.partial(batches, dataset, args.batches)
    times = timing.measure(functions, args.repeats)
    rows = [_limit_row(times[_LIMIT], len(jpegs))]
    for name, views in view_sets.items():
        rows.append(_row(name, times, args.batches * args.batch_size, _frames(views), len(jpegs)))
    settings = {**vars(args), "kb_per_frame": float(np.mean([len(j) for j in jpegs]) / 1024)}
    return {"settings": settings, "rows": rows}


def _limit_row(times: timing.Times, frames: int) -> dict[str, Any]:
    rate = times.rate(frames)
    return {
        "pipeline": _LIMIT,
        "frames_per_s": rate["per_s"],
        "spread": rate["spread"],
        "cpu_ms_per_frame": rate["cpu_ms_each"],
    }


def _row(
    name: str, times: Mapping[str, timing.Times], count: int, frames: int, limit_frames: int
) -> dict[str, Any]:
    """Returns the row of a pipeline that made `count` clips with `frames` frames each in every turn.

    'decode_share' is by wall time; 'cpu_share', by CPU seconds, holds on a machine that others load too.
    """
    rate, limit = times[name].rate(count), times[_LIMIT].rate(limit_frames)
    shares = count * frames / limit_frames / timing.ratios(times[name], times[_LIMIT])
    return {
        "pipeline": name,
        "clips_per_s": rate["per_s"],
        "frames_per_s": rate["per_s"] * frames,
        "spread": rate["spread"] * frames,
        "cpu_ms_per_clip": rate["cpu_ms_each"],
        "decode_share": timing.median(shares),
        "share_spread": timing.spread(shares),
        "cpu_share": frames * limit["cpu_ms_each"] / rate["cpu_ms_each"],
    }


def _view_sets(color: str) -> dict[str, dict[str, View]]:
    narrow = RgbView(
        augmentations=(
            random_flip,
            functools.partial(random_color, method=color),
            random_gray,
            gaussian_blur,
        )
    )
    broad = RgbView(
        num_frames=64,
        frame_step=4,
        size=112,
        augmentations=(random_flip, random_convolution),
        sync=False,
    )
    kinds = {"whole": {"min_area": 1.0, "augmentations": ()}, "crop": {"augmentations": ()}}
    sets = {}
    for kind, changes in kinds.items():
        views = [dataclasses.replace(view, **changes) for view in (narrow, broad)]
        sets[f"V {kind}"] = {"narrow": views[0]}
        sets[f"V/V {kind}"] = {"narrow": views[0], "broad_video": views[1]}
    flip, *of_step = narrow.augmentations
    begun = dataclasses.replace(narrow, augmentations=(flip,), step_augmentations=of_step)
    for kind, view in (("", narrow), (" in step", begun)):
        sets[f"V/A{kind}"] = {"narrow": view, "broad_audio": AudioView()}
        sets[f"V/V{kind}"] = {"narrow": view, "broad_video": broad}
    for name in ("V crop", "V/A"):
        sets[f"{name}, {_NO_INDEX}"] = sets[name]
    return sets


def _frames(views: Mapping[str, View]) -> int:
    return sum(view.num_frames for view in views.values() if view.modality == "rgb")


def _jpegs(info: DatasetInfo, split: str) -> list[bytes]:
    paths = [shard.path for shard in info.split(split).shards]
    records = tf.data.TFRecordDataset(paths).take(_LIMIT_CLIPS)
    parsed = [parse_clip(record, (record_fields.IMAGE,)).images.numpy() for record in records]
    return [jpeg for images in parsed for jpeg in images]


def _decoding(jpegs: list[bytes], threads: int) -> Callable[[], None]:
    """Prepares decoding all frames once, `threads` at a time."""
    encoded = tf.data.Dataset.from_tensor_slices(jpegs)
    # Only the size leaves the pipeline: no batch is put together.
    decoded = encoded.map(lambda jpeg: tf.shape(tf.io.decode_jpeg(jpeg)), threads)
    return _all(iter(decoded.with_options(local_options())), len(jpegs))


def lengthen_epochs(folder: pathlib.Path) -> None:
    """Gives every shard that `clips.write_clips` wrote further names, as if there were so many more clips."""
    path = folder / "dataset.json"
    description = json.loads(path.read_text())
    split = description["splits"]["clips"]
    shards = split.pop("shards")
    for key in split:
        split[key] *= _NAMES
    split["shards"] = []
    for shard in shards:
        for number in range(_NAMES):
            name = f"{number}-{shard['file']}"
            os.link(folder / shard["file"], folder / name)
            os.link(
                folder / record_index.FOLDER / shard["file"], folder / record_index.FOLDER / name
            )
            split["shards"].append({**shard, "file": name})
    path.write_text(json.dumps(description))


def batches(dataset: tf.data.Dataset, number: int) -> Callable[[], None]:
    """Starts an iterator, and prepares taking `number` batches from it."""
    iterator = iter(dataset)
    for _ in range(_WARM_UP):
        next(iterator)
    return _all(iterator, number)


def _all(iterator: Iterator, number: int) -> Callable[[], None]:
    def take() -> None:
        for _ in range(number):
            next(iterator)

    return take
