"""Memory and speed of preparing records as clips and workers grow, of the command and of its workers.

The clips are links to one film, by default a small one (8 frames of 64x48 pixels, 0.32 s of sound), each
number of clips prepared by a process of its own. Seconds are those from the first clip to dataset.json, with
the start of the workers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

_SAMPLES_PER_FRAME = 1920  # At 48 kHz and 25 frames per second.

_PREPARE = """
import json, multiprocessing, sys, time
from bench.memory import peak_of_mb
from brave_tf.process import worker_pool
from brave_tf.data.clips.clip_list import read_clips
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.settings import Settings

source, output, side, workers, flow = sys.argv[1:]
workers_mb = [0.0]
run_in_order = worker_pool.run_in_order

# With each result, the last one included, as the workers still live then.
def measured(*args, **settings):
    for result in run_in_order(*args, **settings):
        pids = [child.pid for child in multiprocessing.active_children()]
        workers_mb[0] = max(workers_mb[0], *map(peak_of_mb, pids))
        yield result

worker_pool.run_in_order = measured
began = time.perf_counter()
report = prepare(read_clips(source), output, Settings(min_side=int(side), flow=flow), workers=int(workers))
seconds = time.perf_counter() - began
row = {
    "clips": report.written,
    "workers": int(workers),
    "shards": report.shards,
    "command_mb": peak_of_mb("self"),
    "largest_worker_mb": workers_mb[0],
    "clips_per_s": report.written / seconds,
}
print(json.dumps(row))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument(
        "--clips", type=int, nargs="+", default=[100, 1000, 10_000], help="numbers of clips"
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[2], help="numbers of workers")
    parser.add_argument("--frames", type=int, default=8, help="of the film")
    parser.add_argument(
        "--height", type=int, default=48, help="of the film; the width is 4/3 of it"
    )
    parser.add_argument("--flow", default="none", choices=["none", "dis", "tvl1"])


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures each number of clips with each number of workers."""
    import numpy as np

    from bench import clips, prepare

    rows = []
    for number, workers in itertools.product(args.clips, args.workers):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            rng = np.random.default_rng(0)
            pictures = clips.frames(rng, args.frames, args.height, args.height * 4 // 3)
            sound = 0.1 * rng.standard_normal(args.frames * _SAMPLES_PER_FRAME)
            prepare.write_film(root / "film.mp4", pictures, sound)
            for index in range(number):
                link = root / "in" / f"class{index % 100}" / f"{index}.mp4"
                link.parent.mkdir(parents=True, exist_ok=True)
                os.symlink(root / "film.mp4", link)
            paths = [str(root / "in"), str(root / "out")]
            words = [*paths, str(args.height), str(workers), args.flow]
            done = subprocess.run(
                [sys.executable, "-c", _PREPARE, *words], stdout=subprocess.PIPE, check=True
            )
            rows.append(json.loads(done.stdout))
    return {"settings": vars(args), "rows": rows}
