"""Clips that cannot be read are counted, and replaced or left out."""

import pathlib

import gin
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf
from noise_clips import RGB, assert_equal, batches, clip, labels, write_damaged

from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.sources.attempts import SkippedClips, user_errors
from brave_tf.errors import UserError


def test_a_clip_that_cannot_be_decoded_is_replaced_in_training(tmp_path):
    good, bad = [clip(i) for i in range(10)], [clip(i, good=i not in (2, 5)) for i in range(10)]
    record_fixtures.write_shards(tmp_path / "good", good, 3)
    record_fixtures.write_shards(tmp_path / "bad", bad, 3)
    clean = batches(tmp_path / "good", 6)
    damaged = batches(tmp_path / "bad", 6)
    expected = labels(clean)
    assert {2, 5} <= set(expected)
    for position in reversed(range(len(expected) - 1)):
        if expected[position] in (2, 5):
            expected[position] = expected[position + 1]
    assert labels(damaged)[:-1] == expected[:-1]
    assert not {2, 5} & set(labels(damaged))
    assert_equal(damaged[2:], batches(tmp_path / "bad", 4, start_batch=2))


def test_a_clip_that_cannot_be_decoded_is_left_out_otherwise(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(i, good=i != 2) for i in range(5)])
    skipped = SkippedClips()
    assert labels(batches(tmp_path, 99, training=False, skipped=skipped)) == [0, 1, 3, 4]
    assert skipped.count == 1
    ((name, reason),) = skipped.reasons.items()
    assert name == "2.mp4 (record 2 of train-00000-of-00001.tfrecord)"
    assert "JPEG" in reason


@pytest.fixture
def damaged(tmp_path) -> pathlib.Path:
    return write_damaged(tmp_path)


def test_what_is_skipped_is_counted_and_named(damaged):
    skipped = SkippedClips(1.0)
    first = batches(damaged, 6, seed=2, shuffle_buffer=3, num_parallel=1, skipped=skipped)
    # Two epochs, and what was prefetched.
    assert 6 <= skipped.count <= 12
    assert set(skipped.reasons) == {
        "records of train-00000-of-00003.tfrecord",
        "1.mp4 (record 0 of train-00001-of-00003.tfrecord)",
        "record 1 of train-00002-of-00003.tfrecord",
    }
    assert "cut short" in skipped.reasons["records of train-00000-of-00003.tfrecord"]
    assert set(labels(first)) <= {0, 2, 3, 4, 6, 7, 8, 10, 11}
    # Neither the order nor the place of the gaps depends on the parallelism or the start.
    other = SkippedClips(1.0)
    assert_equal(
        first, batches(damaged, 6, seed=2, shuffle_buffer=3, num_parallel=8, skipped=other)
    )
    other = SkippedClips(1.0)
    kwargs = {"seed": 2, "shuffle_buffer": 3, "skipped": other}
    assert_equal(first[2:], batches(damaged, 4, start_batch=2, **kwargs))


def test_too_many_that_cannot_be_read_end_it(damaged):
    expected = pytest.raises(UserError, match="(?s)11 of the first .*brave_tf_inspect --data")
    with expected, user_errors():
        batches(damaged, 40)
    with pytest.raises(UserError, match="5 of the first"), user_errors():
        gin.parse_config("SkippedClips.max_share = 0.04")
        try:
            batches(damaged, 40)
        finally:
            gin.clear_config()


def test_the_account_is_kept_under_a_distribution_strategy(damaged):
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy([name[-5:] for name in devices])
    skipped = SkippedClips(1.0)
    dataset = clip_dataset(damaged, "train", RGB, 4, training=True, seed=5, skipped=skipped)
    distributed = iter(strategy.experimental_distribute_dataset(dataset))
    for expected in batches(damaged, 3, seed=5, skipped=SkippedClips(1.0)):
        parts = strategy.experimental_local_results(next(distributed)["narrow"])
        np.testing.assert_array_equal(np.concatenate(parts), expected["narrow"])
    assert skipped.count >= 3
