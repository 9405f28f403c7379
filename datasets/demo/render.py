"""Renders the demo data set: labelled mp4 clips of eight kinds of things, from a seed.

    python datasets/demo/render.py --output=data/demo/media

writes scenes (mp4 files of 24 clips each) under `media/train` and `media/test`, and `media/clips.csv`
with one line per clip (path, label, split, start, end), which `brave_tf_prepare --input` takes. Scenes
that are already there are kept, so an interrupted run continues where it stopped. See README.md beside
this file.
"""

from __future__ import annotations

import concurrent.futures
import csv
import json
import math
import multiprocessing
import os
from pathlib import Path

import scene
from absl import flags

from brave_tf.cli import app
from brave_tf.errors import UserError
from brave_tf.process.progress import Progress
from brave_tf.storage import files

_OUTPUT = flags.DEFINE_string("output", None, "folder to write to", required=True)
_CLIPS = flags.DEFINE_integer(
    "clips", 6000, "training clips; rounded up to whole scenes of 24", lower_bound=1
)
_TEST_CLIPS = flags.DEFINE_integer(
    "test_clips", 960, "test clips; rounded up to whole scenes of 24", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "seed of everything that is random", lower_bound=0)
_WORKERS = flags.DEFINE_integer(
    "workers", 0, "processes; 0: one per core. The files do not depend on it", lower_bound=0
)

FORMAT = 1  # raise it when the same seed no longer gives the same clips


def render(
    output: str | Path, clips: int, test_clips: int, seed: int = 0, workers: int = 0
) -> Path:
    """Renders the data set, or what is missing of it.

    Args:
      output: folder to write to; made when missing.
      clips: number of training clips; rounded up to whole scenes.
      test_clips: number of test clips; rounded up to whole scenes.
      seed: of everything that is random. Clips depend on it, on their split and on their place in it only.
      workers: number of processes, 0 for one per core.

    Returns:
      The path of the written `clips.csv`.

    Raises:
      UserError: `output` holds a rendering with another seed or from another version of this script.
    """
    output = Path(output)
    _claim(output, {"format": FORMAT, "seed": seed})
    scenes = [
        (split, number)
        for split, count in zip(scene.SPLITS, (clips, test_clips))
        for number in range(math.ceil(count / scene.CLIPS_PER_SCENE))
    ]
    missing = [each for each in scenes if not (output / _path(*each)).exists()]
    workers = min(workers or os.cpu_count() or 1, max(len(missing), 1))
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = [
            pool.submit(scene.write_scene, output / _path(split, number), seed, split, number)
            for split, number in missing
        ]
        try:
            with Progress(len(jobs), "rendering", "scenes") as progress:
                for job in concurrent.futures.as_completed(jobs):
                    job.result()
                    progress.add()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return _write_csv(output / "clips.csv", scenes, seed)


def _claim(output: Path, settings: dict) -> None:
    """Makes the folders; refuses a folder that holds a rendering with other settings."""
    for split in scene.SPLITS:
        (output / split).mkdir(parents=True, exist_ok=True)
    record = output / "render.json"
    if not record.exists():
        record.write_text(json.dumps(settings) + "\n")
    elif (found := json.loads(record.read_text())) != settings:
        raise UserError(
            f"{output} holds a rendering with {found}, not {settings}: "
            "give another --output, or delete that folder first."
        )


def _path(split: str, number: int) -> str:
    return f"{split}/scene-{number:05d}.mp4"


def _write_csv(path: Path, scenes: list[tuple[str, int]], seed: int) -> Path:
    with files.replacing(path) as part, part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split", "start", "end"])
        for split, number in scenes:
            for position, kind in enumerate(scene.scene_kinds(seed, split, number)):
                start, end = position * scene.CLIP_SECONDS, (position + 1) * scene.CLIP_SECONDS
                writer.writerow([_path(split, number), kind, split, f"{start:.1f}", f"{end:.1f}"])
    return path


def main(argv: list[str]) -> int:
    """Renders what the flags say; returns the exit code."""
    del argv
    path = render(_OUTPUT.value, _CLIPS.value, _TEST_CLIPS.value, _SEED.value, _WORKERS.value)
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    app.run(main)
