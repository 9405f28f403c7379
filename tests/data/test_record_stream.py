import itertools
import pathlib

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data import record_fields
from brave_tf.data.dataset_info import DatasetInfo
from brave_tf.data.log_mel import LogMel
from brave_tf.data.record_reader import parse_clip
from brave_tf.data.record_stream import RecordStream
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError

RGB = {"narrow": RgbView(num_frames=2, size=16)}
SOUND = {**RGB, "broad_audio": AudioView(duration=0.1, log_mel=LogMel(sample_rate=16_000))}


def clip(number, audio=True):
    pcm = np.ones(10, np.float32) if audio else None
    return record_fixtures.record(images=[b"not decoded here" * 9], audio=pcm, labels=[number])


def opened(folder, views=RGB, pipelines=1, pipeline=0):
    return RecordStream.open(DatasetInfo.load(folder), "train", views, pipelines, pipeline)


def read(records, number=None):
    """Returns the labels of the first records, and the seeds that came with them."""
    items = list(records.take(-1 if number is None else number))
    found = [int(parse_clip(record, ()).label) for record, _ in items]
    return found, [tuple(seed.numpy()) for _, seed in items]


@pytest.fixture(scope="module", params=["counted", "uncounted"])
def folder(request, tmp_path_factory) -> pathlib.Path:
    """Ten clips in three shards."""
    return record_fixtures.write_shards(
        tmp_path_factory.mktemp(request.param),
        [clip(i) for i in range(10)],
        num_shards=3,
        described=request.param == "counted",
    )


def test_once_is_in_the_order_of_the_shards(folder):
    found, seeds = read(opened(folder).once(seed=3))
    assert found == [0, 3, 6, 9, 1, 4, 7, 2, 5, 8]
    assert len(set(seeds)) == 10
    assert read(opened(folder).once(seed=3, skip=7)) == (found[7:], seeds[7:])


def test_every_epoch_has_each_clip_once_in_an_order_and_with_seeds_of_its_own(folder):
    found, seeds = read(opened(folder).endless(seed=1, shuffle_buffer=4), 60)
    epochs = [tuple(found[i : i + 10]) for i in range(0, 60, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len(set(epochs)) == 6
    assert len(set(seeds)) == 60


@pytest.mark.parametrize("shuffle_buffer", [1, 4, 100])
def test_the_seed_alone_decides(folder, shuffle_buffer):
    first = read(opened(folder).endless(5, shuffle_buffer), 25)
    tf.random.set_seed(99)
    assert read(opened(folder).endless(5, shuffle_buffer), 25) == first
    other = read(opened(folder).endless(6, shuffle_buffer), 25)
    assert other[0] != first[0] and not set(other[1]) & set(first[1])


def test_seeds_may_be_large(folder):
    small, large = (read(opened(folder).endless(s, 4), 10) for s in (5, 5 + 2**31))
    assert small != large


@pytest.mark.parametrize("skip", [1, 9, 10, 27])
def test_goes_on_from_any_position(folder, skip):
    found, seeds = read(opened(folder).endless(2, 5), 40)
    assert read(opened(folder).endless(2, 5, skip), 40 - skip) == (found[skip:], seeds[skip:])


@pytest.mark.parametrize("pipelines", [2, 5])
def test_pipelines_share_no_clip(folder, pipelines):
    streams = [opened(folder, RGB, pipelines, index) for index in range(pipelines)]
    shares = [read(stream.once(0))[0] for stream in streams]
    assert all(shares) and sorted(itertools.chain(*shares)) == list(range(10))
    for stream, share in zip(streams, shares):
        if pipelines == 2:  # By shards: the share is the same in every epoch.
            found, _ = read(stream.endless(1, 3), 2 * len(share))
            assert sorted(found) == sorted(2 * share)
        found, seeds = read(stream.endless(1, 3), 12)
        assert read(stream.endless(1, 3, 5), 7) == (found[5:], seeds[5:])


def test_pipelines_that_share_shards_share_no_clip_within_an_epoch(folder):
    shares = [read(opened(folder, RGB, 5, index).endless(1, 3), 4)[0] for index in range(5)]
    for epoch in (0, 1):
        found = [label for share in shares for label in share[2 * epoch : 2 * epoch + 2]]
        assert sorted(found) == list(range(10))


@pytest.mark.parametrize("described", [True, False])
def test_clips_without_a_modality_are_left_out(tmp_path, described):
    records = [clip(i, audio=i % 3 != 0) for i in range(10)]
    record_fixtures.write_shards(tmp_path, records, 2, described=described)
    assert read(opened(tmp_path).once(0))[0] == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
    assert read(opened(tmp_path, SOUND).once(0))[0] == [2, 4, 8, 1, 5, 7]
    found, seeds = read(opened(tmp_path, SOUND).endless(0, 3), 18)
    for epoch in (0, 6, 12):
        assert sorted(found[epoch : epoch + 6]) == [1, 2, 4, 5, 7, 8]
    assert read(opened(tmp_path, SOUND).endless(0, 3, 8), 10) == (found[8:], seeds[8:])


def test_epochs_are_jumped_over_where_clips_are_counted(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(10)], 3)
    stream = opened(tmp_path)
    assert stream.epoch_size == 10
    found, seeds = read(stream.endless(0, 4, skip=10**13), 12)
    assert sorted(found[:10]) == list(range(10))
    assert read(stream.endless(0, 4, skip=10**13 + 4), 8) == (found[4:], seeds[4:])


@pytest.mark.parametrize("damage, number", [("truncated", 0), ("overwritten", 1)])
def test_a_damaged_shard_does_not_end_or_shift_the_run(tmp_path, damage, number):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(12)], 2)
    shard = tmp_path / f"train-{number:05d}-of-00002.tfrecord"
    data = bytearray(shard.read_bytes())
    half = len(data) // 2
    if damage == "truncated":
        del data[half:]
    else:
        data[half : half + 200] = bytes(200)
    shard.write_bytes(data)
    readable = set(read(opened(tmp_path).once(0))[0])
    assert set(range(1 - number, 12, 2)) < readable < set(range(12))
    found, seeds = read(opened(tmp_path).endless(0, 4), 36)
    for epoch in (0, 12, 24):
        assert set(found[epoch : epoch + 12]) == readable
    assert read(opened(tmp_path).endless(0, 4, 16), 20) == (found[16:], seeds[16:])


def test_too_many_pipelines(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(10)], 3)
    with pytest.raises(UserError, match="input pipeline 15 of 20 finds no clip.*3 shards"):
        opened(tmp_path, RGB, 20, 15)


def test_reads_the_fields_that_hold_the_views(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(0)])
    assert opened(tmp_path, SOUND).fields == (record_fields.IMAGE, record_fields.AUDIO)
