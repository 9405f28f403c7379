"""Memory of the input pipeline as the number of clips grows; it should not.

Small clips (8 frames of 64x48 pixels, 0.32 s of sound) are rendered and read once by a training pipeline,
each number of clips in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import pathlib
import tempfile
import time
from typing import Any

from bench import memory

_FRAMES = 8
_DISTINCT = 20
_SAMPLES = 50  # Times at which memory is looked at.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument(
        "--clips", type=int, nargs="+", default=[100, 1000, 10_000], help="numbers of clips"
    )
    parser.add_argument("--batch_size", type=int, default=20)
    parser.add_argument("--shuffle_buffer", type=int, default=256)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures each number of clips."""
    from bench import clips

    rows = []
    spawn = multiprocessing.get_context("spawn")
    for number in args.clips:
        with tempfile.TemporaryDirectory() as folder, spawn.Pool(1) as pool:
            clips.write_clips(
                pathlib.Path(folder), number, _FRAMES, height=48, width=64, distinct=_DISTINCT
            )
            rows.append(pool.apply(_epoch, (folder, number, args.batch_size, args.shuffle_buffer)))
    return {"settings": vars(args), "rows": rows}


def _epoch(folder: str, number: int, batch_size: int, shuffle_buffer: int) -> dict[str, float]:
    """Reads every clip once; returns the memory before the first batch and in the first and last tenth."""
    from brave_tf.process import startup

    startup.import_tensorflow()
    from brave_tf.data.pipeline.batches import clip_dataset
    from brave_tf.data.views.audio import AudioView
    from brave_tf.data.views.rgb import RgbView

    views = {
        "narrow": RgbView(num_frames=4, frame_step=1, size=32),
        "broad_audio": AudioView(duration=0.16),
    }
    batches = number // batch_size
    before = memory.resident_mb()
    start = time.perf_counter()
    iterator = iter(
        clip_dataset(
            folder, "clips", views, batch_size, training=True, shuffle_buffer=shuffle_buffer
        )
    )
    held = []
    for batch in range(batches):
        next(iterator)
        if batch % max(1, batches // _SAMPLES) == 0:
            held.append(memory.resident_mb())
    tenth = max(1, len(held) // 10)
    return {
        "clips": number,
        "clips_per_s": number / (time.perf_counter() - start),
        "mb_before": before,
        "mb_first_tenth": max(held[:tenth]),
        "mb_last_tenth": max(held[-tenth:]),
        "mb_peak": memory.peak_mb(),
    }
