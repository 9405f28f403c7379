"""Small clip records for tests, written straight as protocol buffers."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

Feature = tf.train.Feature


def jpeg(pixels: np.ndarray, quality: int = 95) -> bytes:
    """Encodes (H, W, 3) or (H, W, 1) uint8 without subsampling the colours."""
    return tf.io.encode_jpeg(pixels, quality=quality, chroma_downsampling=False).numpy()


def record(
    images: Sequence[bytes] | None = None,
    flow: Sequence[bytes] | None = None,
    audio: np.ndarray | None = None,
    flac: bytes | None = None,
    labels: Sequence[int] = (),
    frame_rate: float | None = 25.0,
    sample_rate: float | None = 48_000.0,
    flow_bound: float | None = None,
    path: str = "clip.mp4",
    window: tuple[int, int] | None = None,
) -> bytes:
    """Serializes one clip: JPEGs per frame, (N,) float PCM or FLAC bytes; None leaves a field out.

    Its `window` is in microseconds of the file.
    """

    def strings(values: Sequence[bytes]) -> tf.train.FeatureList:
        return tf.train.FeatureList(
            feature=[Feature(bytes_list=tf.train.BytesList(value=[value])) for value in values]
        )

    lists = {}
    if images is not None:
        lists["image/encoded"] = strings(images)
    if flow is not None:
        lists["FORWARD_FLOW/encoded"] = strings(flow)
    if audio is not None:
        floats = Feature(float_list=tf.train.FloatList(value=audio))
        lists["WAVEFORM/feature/floats"] = tf.train.FeatureList(feature=[floats])
    if flac is not None:
        lists["WAVEFORM/feature/flac"] = strings([flac])
    context = {"clip/data_path": Feature(bytes_list=tf.train.BytesList(value=[path.encode()]))}
    if len(labels):
        context["clip/label/index"] = Feature(int64_list=tf.train.Int64List(value=labels))
    if window is not None:
        for name, time in zip(("clip/start/timestamp", "clip/end/timestamp"), window):
            context[name] = Feature(int64_list=tf.train.Int64List(value=[time]))
    for name, value in (
        ("image/frame_rate", frame_rate),
        ("WAVEFORM/feature/sample_rate", sample_rate),
        ("FORWARD_FLOW/bound", flow_bound),
    ):
        if value is not None:
            context[name] = Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    ).SerializeToString()


def write_shards(
    folder: pathlib.Path,
    records: Sequence[bytes],
    num_shards: int = 1,
    split: str = "train",
    described: bool = True,
    settings: dict | None = None,
) -> pathlib.Path:
    """Writes records to shards in turn, and adds the split to the folder's dataset.json."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for number in range(num_shards):
        name = f"{split}-{number:05d}-of-{num_shards:05d}.tfrecord"
        mine = records[number::num_shards]
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            for item in mine:
                writer.write(item)
        size = (folder / name).stat().st_size
        shards.append({"file": name, "clips": len(mine), "bytes": size, "sha256": ""})
    if described:
        path = folder / "dataset.json"
        blank = {"format": 1, "splits": {}, "settings": {}, "versions": {}}
        description = json.loads(path.read_text()) if path.exists() else blank
        examples = [tf.train.SequenceExample.FromString(item) for item in records]

        def count(*fields: str) -> int:
            return sum(any(f in e.feature_lists.feature_list for f in fields) for e in examples)

        description["splits"][split] = {
            "clips": len(records),
            "shards": shards,
            "with_rgb": count("image/encoded"),
            "with_flow": count("FORWARD_FLOW/encoded"),
            "with_audio": count("WAVEFORM/feature/floats", "WAVEFORM/feature/flac"),
            "seconds": 1.0 * len(records),
            "labels": {},
        }
        description["settings"].update(settings or {"audio": "float"})
        path.write_text(json.dumps(description))
    return folder
