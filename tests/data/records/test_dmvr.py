"""Records as DMVR writes them are read as they are, and ours are read the way DMVR reads its own."""

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.preparation.clip_encoder import PreparedClip
from brave_tf.data.preparation.record_writer import serialize_clip
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.data.records import fields
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.rgb import RgbView

RNG = np.random.default_rng(0)
JPEGS = [record_fixtures.jpeg(RNG.integers(0, 256, (16, 24, 3), np.uint8)) for _ in range(8)]
FLOW = JPEGS[::-1]
PCM = RNG.uniform(-1, 1, 48_000).astype(np.float32)
WANTED = (fields.IMAGE, fields.FLOW, fields.AUDIO)


def bytes_feature(*values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def int_feature(*values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def float_feature(values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def theirs(label=7, audio_steps=1):
    """A clip in the layout of MediaSequence and DMVR: no rates, and fields that we do not know."""
    context = {
        "clip/label/index": int_feature(label),
        "clip/label/text": bytes_feature(b"dancing"),
        "clip/media_id": bytes_feature(b"abc"),
        "clip/start/timestamp": int_feature(1_000_000),
        "clip/end/timestamp": int_feature(1_320_000),
        "image/format": bytes_feature(b"JPEG"),
        "image/channels": int_feature(3),
        "image/height": int_feature(16),
        "image/width": int_feature(24),
        "WAVEFORM/feature/num_channels": int_feature(1),
    }
    sequences = {
        "image/encoded": [bytes_feature(jpeg) for jpeg in JPEGS],
        "image/timestamp": [int_feature(40_000 * index) for index in range(len(JPEGS))],
        "FORWARD_FLOW/encoded": [bytes_feature(jpeg) for jpeg in FLOW],
        "WAVEFORM/feature/floats": [float_feature(part) for part in np.split(PCM, audio_steps)],
        "WAVEFORM/feature/timestamp": [int_feature(0)] * audio_steps,
        "caption/string": [bytes_feature(b"unknown to us")],
    }
    lists = {name: tf.train.FeatureList(feature=steps) for name, steps in sequences.items()}
    return tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    ).SerializeToString()


@pytest.mark.parametrize("audio_steps", [1, 6, len(PCM)])
def test_their_clips_are_read(audio_steps):
    clip = parse_clip(tf.constant(theirs(audio_steps=audio_steps)), WANTED)
    assert clip.images.numpy().tolist() == JPEGS
    assert clip.flow.numpy().tolist() == FLOW
    np.testing.assert_array_equal(clip.audio, PCM)
    assert (clip.frame_rate, clip.sample_rate, clip.flow_bound) == (25.0, 48_000.0, 20.0)
    assert clip.labels.numpy().tolist() == [7] and clip.path == b""


@pytest.mark.parametrize("name", ["test_{}.tfrecord", "test-{}", "test-{}.tfrecord.gz"])
def test_their_files_are_a_dataset(tmp_path, name):
    compression = "GZIP" if name.endswith("gz") else ""
    for shard in range(2):
        path = str(tmp_path / name.format(f"{shard:05d}-of-00002"))
        with tf.io.TFRecordWriter(path, compression) as writer:
            for label in range(shard, 6, 2):
                writer.write(theirs(label))
    views = {
        "narrow": RgbView(num_frames=2, frame_step=1, size=8, augmentations=()),
        "broad_flow": FlowView(num_frames=4, frame_step=1, size=8, augmentations=()),
        "broad_audio": AudioView(duration=0.5, log_mel=LogMel(mel_bins=16)),
    }
    (batch,) = clip_dataset(tmp_path, "test", views, 6, training=False)
    assert batch["label"].numpy().tolist() == [0, 2, 4, 1, 3, 5]
    assert all(batch[name].shape[1:] == view.shape for name, view in views.items())
    assert all(np.ptp(batch[name]) > 0 for name in views)


def ours(labels=("running", "dancing"), **settings):
    settings = PreparationSettings(**settings)
    prepared = PreparedClip(
        clip=ListedClip(
            path="a/b.mp4",
            file="/a/b.mp4",
            start=1.0,
            end=1.32,
            labels=labels,
            split="train",
            size=1,
        ),
        end=1.32,
        height=16,
        width=24,
        frames=JPEGS,
        flow=FLOW,
        audio=PCM if settings.audio == "float" else None,
        flac=b"fLaC" if settings.audio == "flac" else None,
    )
    return serialize_clip(prepared, settings, {"dancing": 3, "running": 5})


# The features that DMVR asks for when it adds images, sound and labels.
THEIR_CONTEXT = {
    "clip/label/index": tf.io.VarLenFeature(tf.int64),
    "clip/label/text": tf.io.VarLenFeature(tf.string),
}
THEIR_SEQUENCES = {
    "image/encoded": tf.io.FixedLenSequenceFeature((), tf.string),
    "FORWARD_FLOW/encoded": tf.io.FixedLenSequenceFeature((), tf.string),
    "WAVEFORM/feature/floats": tf.io.VarLenFeature(tf.float32),
}


def test_our_clips_are_read_their_way():
    context, sequences = tf.io.parse_single_sequence_example(
        tf.constant(ours()), THEIR_CONTEXT, THEIR_SEQUENCES
    )
    assert context["clip/label/index"].values.numpy().tolist() == [5, 3]
    assert context["clip/label/text"].values.numpy().tolist() == [b"running", b"dancing"]
    assert sequences["image/encoded"].numpy().tolist() == JPEGS
    assert sequences["FORWARD_FLOW/encoded"].numpy().tolist() == FLOW
    sound = sequences["WAVEFORM/feature/floats"]
    assert sound.dense_shape.numpy().tolist() == [1, len(PCM)]
    np.testing.assert_array_equal(tf.sparse.to_dense(sound)[0], PCM)


def test_our_batches_are_read_their_way():
    records = tf.constant([ours(), ours(labels=("dancing",))])
    context, sequences, lengths = tf.io.parse_sequence_example(
        records, THEIR_CONTEXT, THEIR_SEQUENCES
    )
    assert tf.sparse.to_dense(context["clip/label/index"]).numpy().tolist() == [[5, 3], [3, 0]]
    assert sequences["image/encoded"].shape == (2, len(JPEGS))
    assert lengths["image/encoded"].numpy().tolist() == [len(JPEGS)] * 2
    assert sequences["WAVEFORM/feature/floats"].dense_shape.numpy().tolist() == [2, 1, len(PCM)]


def test_our_compact_clips_have_no_floats_for_them():
    context, sequences = tf.io.parse_single_sequence_example(
        tf.constant(ours(audio="flac")), THEIR_CONTEXT, THEIR_SEQUENCES
    )
    assert sequences["WAVEFORM/feature/floats"].values.shape == (0,)
    assert sequences["image/encoded"].shape == (len(JPEGS),)
