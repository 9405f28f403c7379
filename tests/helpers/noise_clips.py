"""Records of noise with pictures, flow and sound, some of them damaged, and batches of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import record_fixtures
import tensorflow as tf

from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.rgb import RgbView

MEL = LogMel(sample_rate=8000, frame_length=160, frame_step=80, mel_bins=20, upper_hz=3800.0)
VIEWS = {
    "narrow": RgbView(num_frames=2, size=16),
    "broad_flow": FlowView(num_frames=4, frame_step=1, size=16, sync=False),
    "broad_audio": AudioView(duration=0.2, log_mel=MEL),
}
RGB = {"narrow": dataclasses.replace(VIEWS["narrow"], augmentations=())}
RNG = np.random.default_rng(0)
NOISE = [record_fixtures.jpeg(RNG.integers(0, 256, (16, 24, 3), np.uint8)) for _ in range(30)]


def clip(number, good=True, audio=True, **kwargs):
    """A clip of 12 frames with the label `number`."""
    first = number % 18
    images = NOISE[first : first + 12] if good else [b"no jpeg"] * 12
    pcm = np.sin(np.arange(3840) * (number + 1) / 50).astype(np.float32)
    return record_fixtures.record(
        images=images,
        flow=NOISE[first : first + 12],
        audio=pcm if audio else None,
        labels=[number],
        sample_rate=8000.0,
        path=f"{number}.mp4",
        **kwargs,
    )


def batches(folder, number, views=RGB, batch_size=4, training=True, **kwargs):
    dataset = clip_dataset(folder, "train", views, batch_size, training=training, **kwargs)
    return [{k: v.numpy() for k, v in batch.items()} for batch in dataset.take(number)]


def labels(some_batches):
    return np.concatenate([batch["label"] for batch in some_batches]).tolist()


def assert_equal(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)


def write_ten(folder):
    """Writes ten clips in three shards, counted."""
    return record_fixtures.write_shards(folder, [clip(i) for i in range(10)], 3)


def write_damaged(folder):
    """Twelve clips: of 0, 3, 6, 9 the last is cut off, 1 cannot be decoded, and 5 is no record."""
    records = [clip(i, good=i != 1) for i in range(12)]
    record_fixtures.write_shards(folder, records, 3)
    shard = folder / "train-00000-of-00003.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-10])
    with tf.io.TFRecordWriter(str(folder / "train-00002-of-00003.tfrecord")) as writer:
        for index in (2, 5, 8, 11):
            writer.write(records[index] if index != 5 else b"\xff garbage")
    return folder
