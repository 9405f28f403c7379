import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.preparation.clip_encoder import PreparedClip
from brave_tf.data.preparation.record_writer import serialize_clip
from brave_tf.data.preparation.settings import PreparationSettings

SETTINGS = PreparationSettings(fps=12.5, flow="dis", flow_bound=15.0, sample_rate=16000)
LABELS = {"cat": 0, "dog": 1}


def clip(labels=("dog",), path="a/b.mp4"):
    return ListedClip(path, "/data/a/b.mp4", 1.25, 9.0, labels, "train", 100)


def full():
    audio = np.random.default_rng(0).uniform(-1, 1, 3000).astype(np.float32)
    frames = [b"jpeg 0", b"jpeg 1", b"jpeg 2"]
    flow = [b"flow 0", b"flow 1", b"flow 1"]
    return PreparedClip(clip(), 1.49, 48, 64, frames, flow, audio)


def parsed(data):
    """Parses with TensorFlow's own op and the names of MediaSequence, spelled out."""
    floats = tf.io.VarLenFeature(tf.float32)
    ints = tf.io.VarLenFeature(tf.int64)
    strings = tf.io.VarLenFeature(tf.string)
    context, sequences, lengths = tf.io.parse_sequence_example(
        [data],
        {
            "image/frame_rate": floats,
            "image/height": ints,
            "image/width": ints,
            "FORWARD_FLOW/bound": floats,
            "WAVEFORM/feature/sample_rate": floats,
            "clip/label/index": ints,
            "clip/label/text": strings,
            "clip/data_path": strings,
            "clip/start/timestamp": ints,
            "clip/end/timestamp": ints,
        },
        {
            "image/encoded": strings,
            "FORWARD_FLOW/encoded": strings,
            "WAVEFORM/feature/floats": floats,
            "WAVEFORM/feature/flac": strings,
        },
    )
    del lengths
    values = {name: value.values.numpy().tolist() for name, value in context.items()}
    steps = {name: tf.sparse.to_dense(value)[0].numpy() for name, value in sequences.items()}
    return values, steps


def test_all_fields():
    prepared = full()
    context, steps = parsed(serialize_clip(prepared, SETTINGS, LABELS))
    assert context == {
        "image/frame_rate": [12.5],
        "image/height": [48],
        "image/width": [64],
        "FORWARD_FLOW/bound": [15.0],
        "WAVEFORM/feature/sample_rate": [16000.0],
        "clip/label/index": [1],
        "clip/label/text": [b"dog"],
        "clip/data_path": [b"a/b.mp4"],
        "clip/start/timestamp": [1_250_000],
        "clip/end/timestamp": [1_490_000],
    }
    assert steps["image/encoded"][:, 0].tolist() == prepared.frames
    assert steps["FORWARD_FLOW/encoded"][:, 0].tolist() == prepared.flow
    assert steps["WAVEFORM/feature/floats"].shape == (1, 3000)
    np.testing.assert_array_equal(steps["WAVEFORM/feature/floats"][0], prepared.audio)
    assert steps["WAVEFORM/feature/flac"].size == 0


def names_in(data):
    example = tf.train.SequenceExample.FromString(data)
    return set(example.context.feature) | set(example.feature_lists.feature_list)


def test_sound_alone_has_no_fields_of_pictures():
    prepared = PreparedClip(clip(()), 2.0, flac=b"fLaC...")
    data = serialize_clip(prepared, SETTINGS, LABELS)
    assert names_in(data) == {
        "WAVEFORM/feature/flac",
        "WAVEFORM/feature/sample_rate",
        "clip/data_path",
        "clip/start/timestamp",
        "clip/end/timestamp",
    }
    _, steps = parsed(data)
    assert steps["WAVEFORM/feature/flac"].tolist() == [[b"fLaC..."]]


def test_silent_clip_has_no_fields_of_sound_and_flow_is_optional():
    prepared = PreparedClip(clip(), 2.0, 48, 64, [b"jpeg"])
    names = names_in(serialize_clip(prepared, SETTINGS, LABELS))
    assert not [name for name in names if "WAVEFORM" in name or "FLOW" in name]
    assert "image/encoded" in names


def test_several_labels():
    prepared = PreparedClip(clip(("dog", "cat")), 2.0, 48, 64, [b"jpeg"])
    context, _ = parsed(serialize_clip(prepared, SETTINGS, LABELS))
    assert context["clip/label/index"] == [1, 0]
    assert context["clip/label/text"] == [b"dog", b"cat"]


def test_equal_clips_give_equal_bytes():
    data = {serialize_clip(full(), SETTINGS, LABELS) for _ in range(5)}
    assert len(data) == 1


@pytest.mark.parametrize("stored", ["größe/ü.mp4".encode(), b"bad\xff.mp4"])
def test_paths_keep_their_bytes(stored):
    path = stored.decode("utf-8", "surrogateescape")
    prepared = PreparedClip(clip(path=path), 2.0, 48, 64, [b"jpeg"])
    context, _ = parsed(serialize_clip(prepared, SETTINGS, LABELS))
    assert context["clip/data_path"] == [stored]
