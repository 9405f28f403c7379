"""Small folders of records that are good, and what an inspection finds in them."""

from __future__ import annotations

import hashlib
import json
import pathlib

import numpy as np
import record_fixtures

from brave_tf.data.records import index as record_index
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.inspection import folder_check

RATE, SOUND_RATE, FRAMES = 5.0, 8000, 5
SETTINGS = {"audio": "float", "fps": RATE, "sample_rate": SOUND_RATE}
LABELS = ["cat", "dog"]


def clip(number: int = 0, **changes) -> bytes:
    """Serializes a second of noise with picture, flow and sound, other for each number."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (2, FRAMES, 16, 24, 3), dtype=np.uint8)
    images, flow = ([record_fixtures.jpeg(frame) for frame in frames] for frames in pixels)
    values = {
        "images": images,
        "flow": flow,
        "audio": rng.uniform(-0.5, 0.5, SOUND_RATE).astype(np.float32),
        "labels": [number % 2],
        "frame_rate": RATE,
        "sample_rate": SOUND_RATE,
        "path": f"clip_{number}.mp4",
    }
    return record_fixtures.record(**{**values, **changes})


def write(folder: pathlib.Path, **splits: list[bytes]) -> pathlib.Path:
    """Writes two shards of each split and their indexes, dataset.json with checksums, and labels.txt."""
    for split, records in splits.items():
        record_fixtures.write_shards(folder, records, 2, split, settings=SETTINGS)
    description = json.loads((folder / "dataset.json").read_text())
    for split in description["splits"].values():
        split.pop("seconds")
        for shard in split["shards"]:
            data = (folder / shard["file"]).read_bytes()
            shard["sha256"] = hashlib.sha256(data).hexdigest()
            record_index.make(str(folder / shard["file"]))
    (folder / "dataset.json").write_text(json.dumps(description))
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    return folder


def good(folder: pathlib.Path) -> pathlib.Path:
    """Writes a folder in which nothing is wrong: 6 clips for training, 4 for testing."""
    return write(folder, train=[clip(n) for n in range(6)], test=[clip(n) for n in range(10, 14)])


def check(folder: pathlib.Path, splits=(), decode="sample", workers=1) -> folder_check.FolderFacts:
    return folder_check.check_folder(DatasetInfo.load(folder), splits, decode, workers)


def found(facts: folder_check.FolderFacts) -> dict[tuple[str, str], list[str]]:
    """Returns the places of each kind of finding and split."""
    return {(finding.kind, finding.split): finding.examples for finding in facts.findings}
