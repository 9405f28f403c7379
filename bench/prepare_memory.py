"""Memory of preparing records as the number of clips grows, of the command and of its workers.

The clips are links to one small film (8 frames of 64x48 pixels, 0.32 s of sound), each number of clips
prepared by a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

_PREPARE = """
import json, multiprocessing, sys, threading, time
from bench.memory import peak_of_mb
from brave_tf.data.preparation.clip_list import read_clips
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.settings import Settings

source, output, workers, flow = sys.argv[1:]
workers_mb = [0.0]

def watch():
    while True:
        pids = [child.pid for child in multiprocessing.active_children()]
        workers_mb[0] = max(workers_mb[0], *map(peak_of_mb, pids), 0.0)
        time.sleep(0.2)

threading.Thread(target=watch, daemon=True).start()
began = time.perf_counter()
report = prepare(read_clips(source), output, Settings(min_side=48, flow=flow), workers=int(workers))
seconds = time.perf_counter() - began
row = {
    "clips": report.written,
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
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--flow", default="none", choices=["none", "dis", "tvl1"])


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures each number of clips."""
    import numpy as np

    from bench import clips, prepare

    rows = []
    for number in args.clips:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            rng = np.random.default_rng(0)
            pictures = clips.frames(rng, 8, 48, 64)
            prepare.write_film(root / "film.mp4", pictures, 0.1 * rng.standard_normal(15_360))
            for index in range(number):
                link = root / "in" / f"class{index % 100}" / f"{index}.mp4"
                link.parent.mkdir(parents=True, exist_ok=True)
                os.symlink(root / "film.mp4", link)
            words = [str(root / "in"), str(root / "out"), str(args.workers), args.flow]
            done = subprocess.run(
                [sys.executable, "-c", _PREPARE, *words], stdout=subprocess.PIPE, check=True
            )
            rows.append(json.loads(done.stdout))
    return {"settings": vars(args), "rows": rows}
