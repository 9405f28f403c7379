import gin
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.records import fields
from brave_tf.data.records.reader import has_fields, parse_clip

PCM = np.linspace(-1, 1, 50, dtype=np.float32)
FULL = record_fixtures.record(
    images=[b"a", b"bb", b"ccc"],
    flow=[b"d", b"e", b"f"],
    audio=PCM,
    labels=[4, 2],
    frame_rate=30.0,
    sample_rate=16_000.0,
    flow_bound=15.0,
    path="some/video.mp4",
)


def test_reads_all_fields():
    clip = parse_clip(tf.constant(FULL), (fields.IMAGE, fields.FLOW, fields.AUDIO))
    assert clip.images.numpy().tolist() == [b"a", b"bb", b"ccc"]
    assert clip.flow.numpy().tolist() == [b"d", b"e", b"f"]
    np.testing.assert_array_equal(clip.audio, PCM)
    np.testing.assert_array_equal(clip.labels, [4, 2])
    assert clip.label == 4
    assert clip.frame_rate == 30.0 and clip.frame_rate.dtype == tf.float64
    assert clip.sample_rate == 16_000.0
    assert clip.flow_bound == 15.0
    assert clip.path == b"some/video.mp4"
    assert clip.num_frames == 3


def test_reads_only_what_is_wanted():
    clip = parse_clip(tf.constant(FULL), (fields.FLOW,))
    assert clip.images.shape == (0,) and clip.audio.shape == (0,)
    assert clip.flow.shape == (3,)


def test_defaults_of_records_without_context():
    bare = record_fixtures.record(images=[b"a"], frame_rate=None, sample_rate=None)
    clip = parse_clip(tf.constant(bare), (fields.IMAGE, fields.AUDIO))
    assert (clip.frame_rate, clip.sample_rate, clip.flow_bound) == (25.0, 48_000.0, 20.0)
    assert clip.label == -1 and clip.labels.shape == (0,)
    assert clip.audio.shape == (0,)


def test_rates_that_records_do_not_state_can_be_bound():
    gin.parse_config(["unstated_rates.frame_rate = 10", "unstated_rates.sample_rate = 16_000"])
    clip = parse_clip(record_fixtures.record(frame_rate=None, sample_rate=None), ())
    assert (clip.frame_rate, clip.sample_rate) == (10.0, 16_000.0)


def test_works_inside_a_dataset():
    dataset = tf.data.Dataset.from_tensors(FULL).map(lambda r: parse_clip(r, (fields.AUDIO,)))
    (clip,) = list(dataset)
    np.testing.assert_array_equal(clip.audio, PCM)


@pytest.mark.parametrize(
    "wanted, expected",
    [
        ((fields.IMAGE,), True),
        ((fields.AUDIO,), False),
        ((fields.IMAGE, fields.AUDIO), False),
        ((fields.IMAGE, fields.FLOW), True),
    ],
)
def test_has_fields(wanted, expected):
    silent = record_fixtures.record(images=[b"a"], flow=[b"a"])
    assert bool(has_fields(tf.constant(silent), wanted)) is expected


def test_garbage_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        parse_clip(tf.constant(b"no record"), (fields.IMAGE,))


def test_unknown_fields_are_refused():
    with pytest.raises(ValueError, match="image/nothing"):
        parse_clip(tf.constant(FULL), ("image/nothing",))


@pytest.mark.parametrize("rate", [0.0, -25.0, float("nan"), float("inf"), 1e9, 1e-9])
@pytest.mark.parametrize("graph", [False, True])
def test_what_is_no_rate_is_an_error_of_the_clip(rate, graph):
    """Else windows would be cut at times that are none, in silence."""
    parse = tf.function(parse_clip) if graph else parse_clip
    frames = record_fixtures.record(images=[b"a"], frame_rate=rate)
    sound = record_fixtures.record(
        audio=np.zeros(10, np.float32), sample_rate=-1.0 if rate == 1e9 else rate
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="frame_rate is no rate"):
        parse(tf.constant(frames), (fields.IMAGE,))
    with pytest.raises(tf.errors.InvalidArgumentError, match="sample_rate is no rate"):
        parse(tf.constant(sound), (fields.AUDIO,))
    # Of what is not wanted, or not there, it is no matter.
    assert parse(tf.constant(frames), ()).path == b"clip.mp4"
