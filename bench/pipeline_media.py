"""Input pipeline of media files against that of records: clips per second, and times the records' work.

The same rendered scenes of 10 s, 320x240 pixels, as H.264 and AAC and as records. Views are the narrow one
(16 frames of 224 pixels, a random crop) alone (V), or with 10.24 s of sound as a log-mel spectrogram (V/A),
without further augmentations. tensorflow-io decodes where FFmpeg 4 is found.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import tempfile
from typing import Any

import gin
import numpy as np
import tensorflow as tf

from bench import clips, pipeline, prepare, timing
from brave_tf.data.media import tfio
from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.sources.record_stream import CORES
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.rgb import RgbView

_NARROW = {"narrow": RgbView(augmentations=())}
_VIEWS = {"V": _NARROW, "V/A": {**_NARROW, "broad_audio": AudioView()}}
_RECORDS = "records"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("--clips", type=int, default=8, help="to render")
    parser.add_argument("--frames", type=int, default=250, help="of each clip, at 25 per second")
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--batches", type=int, default=4, help="batches of one measurement")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=CORES, help="clips made at the same time")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures records and every decoder in turn."""
    decoders = ["pyav", "tfio"] if tfio.can_decode_video() else ["pyav"]
    with tempfile.TemporaryDirectory() as folder:
        films, records = pathlib.Path(folder, "films"), pathlib.Path(folder, "records")
        prepare.write_films(films, args.clips, args.frames / clips.FRAME_RATE)
        clips.write_clips(records, args.clips, args.frames)
        pipeline.lengthen_epochs(records)
        sources = {_RECORDS: (records, "clips", "auto")}
        sources |= {f"media, {name}": (films, "train", name) for name in decoders}
        functions = {
            (name, source): functools.partial(
                pipeline.batches, _dataset(*sources[source], name, args), args.batches
            )
            for name in _VIEWS
            for source in sources
        }
        times = timing.measure(functions, args.repeats)
    count = args.batches * args.batch_size
    rows = [_row(*key, times, count) for key in functions]
    return {"settings": vars(args), "rows": rows}


def _dataset(
    folder: pathlib.Path, split: str, decoder: str, views: str, args: argparse.Namespace
) -> tf.data.Dataset:
    with gin.unlock_config():
        gin.bind_parameter("RawMedia.decoder", decoder)
    return clip_dataset(
        folder,
        split,
        _VIEWS[views],
        args.batch_size,
        training=True,
        shuffle_buffer=pipeline.SHUFFLE_BUFFER,
        num_parallel=args.threads,
    )


def _row(
    views: str, source: str, times: dict[tuple[str, str], timing.Times], count: int
) -> dict[str, Any]:
    rate = times[views, source].rate(count)
    work = np.divide(times[views, source].cpu, times[views, _RECORDS].cpu)
    return {
        "views": views,
        "source": source,
        "clips_per_s": rate["per_s"],
        "spread": rate["spread"],
        "cpu_ms_per_clip": rate["cpu_ms_each"],
        "times_the_work": timing.median(work),
        "work_spread": timing.spread(work),
    }
