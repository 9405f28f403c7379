"""Clip records to measure on: rendered, so that they are the same everywhere.

A textured scene pans, and a textured disc moves before it. At 320x240 and quality 92 a frame has some 37 KB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import tempfile
from collections.abc import Iterator

import cv2
import numpy as np
import tensorflow as tf

from brave_tf.data.records import fields
from brave_tf.data.records import index as record_index
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.process.progress import Progress

QUALITY = 92
FRAME_RATE = 25.0
SAMPLE_RATE = 48_000
_ROUGHNESS = 1.25  # Amplitudes fall with this power of the frequency.


def add_data_arguments(parser: argparse.ArgumentParser, default: int) -> None:
    """Adds the flags of the records to measure on; `default` is how many clips are rendered without them."""
    parser.add_argument("--data", help="a folder of records with what the recipe's views need")
    parser.add_argument("--split", help="its split; the first one by default")
    parser.add_argument("--clips", type=int, default=default, help="to render without --data")
    parser.add_argument("--frames", type=int, default=250, help="of each rendered clip")


@contextlib.contextmanager
def given_or_rendered(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Gives the folder of the records that the flags name, or of rendered ones, and the split."""
    with tempfile.TemporaryDirectory() as folder:
        if not args.data:
            write_clips(pathlib.Path(folder), args.clips, args.frames)
        data_dir = args.data or folder
        yield data_dir, args.split or next(iter(DatasetInfo.load(data_dir).splits))


def write_clips(
    folder: pathlib.Path,
    clips: int,
    num_frames: int = 250,
    height: int = 240,
    width: int = 320,
    shards: int = 2,
    distinct: int | None = None,
) -> None:
    """Writes clips with frames and sound to shards of the split 'clips', their indexes and dataset.json.

    Args:
      folder: where to; made if it is not there.
      clips: how many.
      num_frames: of each clip, at 25 per second.
      height: of a frame, pixels.
      width: of a frame, pixels.
      shards: files over which they are spread.
      distinct: how many of the clips differ; the others repeat them. None: all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"clips-{i:05d}-of-{shards:05d}.tfrecord" for i in range(shards)]
    writers = [tf.io.TFRecordWriter(str(path)) for path in paths]
    rendered = []
    with Progress(distinct or clips, "rendering") as progress:
        for number in range(distinct or clips):
            rng = np.random.default_rng(number)
            jpegs = [_jpeg(frame) for frame in frames(rng, num_frames, height, width)]
            pcm = 0.1 * rng.standard_normal(round(num_frames / FRAME_RATE * SAMPLE_RATE))
            rendered.append(_record(jpegs, pcm.astype(np.float32), number))
            progress.add()
    for number in range(clips):
        writers[number % shards].write(rendered[number % len(rendered)])
    for path, writer in zip(paths, writers):
        writer.close()
        record_index.make(str(path))
    counts = [len(range(i, clips, shards)) for i in range(shards)]
    split = {
        "clips": clips,
        "shards": [{"file": p.name, "clips": count} for p, count in zip(paths, counts)],
        "with_rgb": clips,
        "with_flow": 0,
        "with_audio": clips,
    }
    description = {"format": 1, "splits": {"clips": split}, "settings": {"audio": "float"}}
    (folder / "dataset.json").write_text(json.dumps(description))


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Returns (height, width, 3) float32 noise with more of the low frequencies, its channels alike."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    amplitude = np.maximum(frequency, 1.0 / max(height, width)) ** -_ROUGHNESS
    shared = rng.standard_normal((height, width))
    noise = [0.8 * shared + 0.4 * rng.standard_normal((height, width)) for _ in range(3)]
    planes = [np.fft.irfft2(np.fft.rfft2(plane) * amplitude, (height, width)) for plane in noise]
    return np.stack([120 + 45 * (p - p.mean()) / p.std() for p in planes], -1).astype(np.float32)


def frames(rng: np.random.Generator, number: int, height: int, width: int) -> Iterator[np.ndarray]:
    """Renders frames, (height, width, 3) uint8 in RGB."""
    scene = np.clip(_texture(rng, 2 * height, 2 * width), 0, 255).astype(np.uint8)
    side = min(height, width) // 2
    thing = np.clip(_texture(rng, side, side), 0, 255).astype(np.uint8)
    y, x = np.mgrid[:side, :side] - side / 2
    disc = (x**2 + y**2 < (0.45 * side) ** 2)[..., np.newaxis]
    speed = rng.uniform(0.1, 1.0, 2)
    for t in range(number):
        top, left = (speed * t).astype(int) % (height, width)
        frame = scene[top : top + height, left : left + width].copy()
        y = round((height - side) * (0.5 + 0.4 * np.sin(t / 17)))
        x = round((width - side) * (0.5 + 0.4 * np.cos(t / 23)))
        under = frame[y : y + side, x : x + side]
        under[:] = np.where(disc, thing, under)
        yield frame


def _jpeg(frame: np.ndarray) -> bytes:
    flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    return cv2.imencode(".jpg", frame[..., ::-1], flags)[1].tobytes()


def _record(jpegs: list[bytes], pcm: np.ndarray, label: int) -> bytes:
    def feature_list(*features: tf.train.Feature) -> tf.train.FeatureList:
        return tf.train.FeatureList(feature=features)

    def of_bytes(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    sound = tf.train.Feature(float_list=tf.train.FloatList(value=pcm))
    index = tf.train.Feature(int64_list=tf.train.Int64List(value=[label % 4]))
    lists = {
        fields.IMAGE: feature_list(*map(of_bytes, jpegs)),
        fields.AUDIO: feature_list(sound),
    }
    return tf.train.SequenceExample(
        context=tf.train.Features(feature={fields.LABEL_INDEX: index}),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    ).SerializeToString()
