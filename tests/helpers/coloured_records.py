"""Records whose classes are told apart by colour, for the recipe of `tiny_run`."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
import record_fixtures
import tiny_run

CLASSES = 2


def write(
    folder: pathlib.Path, clips: dict[str, int], labels: Sequence[int] = range(CLASSES)
) -> pathlib.Path:
    """Writes splits of so many clips each, the classes in turn.

    Args:
      folder: of the records.
      clips: split -> number of clips.
      labels: of the colours, in the split called `test`.
    """
    for seed, (split, count) in enumerate(clips.items()):
        rng = np.random.default_rng(seed)
        records = []
        for index in range(count):
            colour = index % CLASSES
            pixels = rng.integers(0, 100, (tiny_run.FRAMES, tiny_run.SIZE, tiny_run.SIZE, 3))
            pixels[..., colour] += 120
            record = record_fixtures.record(
                images=[record_fixtures.jpeg(frame.astype(np.uint8)) for frame in pixels],
                labels=[labels[colour] if split == "test" else colour],
                frame_rate=tiny_run.RATE,
                path=f"{split}/{index}.mp4",
            )
            records.append(record)
        record_fixtures.write_shards(folder, records, 2, split)
    return folder
