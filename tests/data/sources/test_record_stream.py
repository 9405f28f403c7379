import gzip
import itertools
import json
import pathlib

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.records import fields as record_fields
from brave_tf.data.records import shard_reader
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.sources.record_stream import RecordStream
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_mel import LogMel
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
    found = [int(parse_clip(record.serialized, ()).label) for record, _ in items]
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


def damage(shard, how):
    """Cuts a shard in half, or overwrites a record in the middle of it, after which none is found."""
    data = bytearray(shard.read_bytes())
    half = len(data) // 2
    if how == "truncated":
        del data[half + 20 :]
    elif how == "overwritten":
        data[half : half + 200] = bytes(200)
    else:
        shard.unlink()
        return
    shard.write_bytes(data)


@pytest.mark.parametrize("how, number", [("truncated", 0), ("overwritten", 1), ("removed", 1)])
def test_a_damaged_shard_does_not_end_or_shift_the_run(tmp_path, how, number):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(12)], 2)
    stream = opened(tmp_path)
    damage(tmp_path / f"train-{number:05d}-of-00002.tfrecord", how)
    found, seeds = read(stream.once(0))
    readable = set(found) - {-1}
    assert set(range(1 - number, 12, 2)) <= readable < set(range(12))
    assert (len(readable) > 6) is (how != "removed")
    # What is missing is there as empty records.
    assert found.count(-1) == 12 - len(readable)
    found, seeds = read(stream.endless(0, 4), 36)
    for epoch in (0, 12, 24):
        assert set(found[epoch : epoch + 12]) - {-1} == readable
        assert found[epoch : epoch + 12].count(-1) == 12 - len(readable)
    assert read(stream.endless(0, 4, 16), 20) == (found[16:], seeds[16:])


@pytest.mark.parametrize("how, number", [("truncated", 0), ("overwritten", 1), ("removed", 1)])
def test_a_damaged_shard_that_nobody_counted_lacks_one_record(tmp_path, how, number, monkeypatch):
    monkeypatch.setattr(shard_reader, "MOST_RECORDS", 50)
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(12)], 2, described=False)
    stream = opened(tmp_path)
    damage(tmp_path / f"train-{number:05d}-of-00002.tfrecord", how)
    found, _ = read(stream.once(0))
    readable = set(found) - {-1}
    assert set(range(1 - number, 12, 2)) <= readable < set(range(12))
    assert found.count(-1) == 1 and len(found) == len(readable) + 1


@pytest.mark.parametrize("described", [True, False])
def test_damaged_records_are_kept_among_those_with_all_modalities(tmp_path, described):
    records = [clip(i, audio=i % 3 != 0) for i in range(10)]
    record_fixtures.write_shards(tmp_path, records, 1, described=described)
    with tf.io.TFRecordWriter(str(tmp_path / "train-00000-of-00001.tfrecord")) as writer:
        for index, record in enumerate(records):
            writer.write(b"\xff garbage" if index == 5 else record)
    items = list(opened(tmp_path, SOUND).once(0))
    assert [int(record.position) for record, _ in items] == [1, 2, 4, 5, 7, 8]
    assert items[3][0].serialized == b"\xff garbage"


def test_records_are_named(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(10)], 3)
    stream = opened(tmp_path)
    record, _ = list(stream.once(0))[5]
    assert stream.name(record) == "clip.mp4 (record 1 of train-00001-of-00003.tfrecord)"
    garbage = record._replace(serialized=tf.constant(b"\xff garbage"))
    assert stream.name(garbage) == "record 1 of train-00001-of-00003.tfrecord"
    missing = record._replace(serialized=tf.constant(b""))
    assert stream.name(missing) == "records of train-00001-of-00003.tfrecord"


def test_workers_that_take_shards_in_turns_read_each_record_once_with_its_seed(folder):
    stream = opened(folder)
    local = dict(zip(*reversed(read(stream.endless(3, 4), 40))))
    labels, seeds = read(stream.by_shard(3, 4), 30)
    for epoch in (0, 10, 20):
        assert sorted(labels[epoch : epoch + 10]) == list(range(10))
        # A shard is finished before the next.
        parts = [label % 3 for label in labels[epoch : epoch + 10]]
        assert len([a for a, b in zip(parts, parts[1:]) if a != b]) == 2
    assert {seed: local[seed] for seed in seeds} == dict(zip(seeds, labels))


def test_shards_go_on_about_where_they_were(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(12)], 4)
    labels, seeds = read(opened(tmp_path).by_shard(3, 4), 36)
    for skip, first in ((12, 12), (17, 15), (24, 24)):
        found = read(opened(tmp_path).by_shard(3, 4, skip), 36 - first)
        assert found == (labels[first:], seeds[first:])


def test_shards_without_counts_never_start_again(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(12)], 4, described=False)
    _, seen = read(opened(tmp_path).by_shard(3, 4), 24)
    _, seeds = read(opened(tmp_path).by_shard(3, 4, skip=24), 24)
    assert not set(seen) & set(seeds)


def test_too_many_pipelines(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(10)], 3)
    with pytest.raises(UserError, match="input pipeline 15 of 20 finds no clip.*3 shards"):
        opened(tmp_path, RGB, 20, 15)


def test_reads_the_fields_that_hold_the_views(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(0)])
    assert opened(tmp_path, SOUND).fields == (record_fields.IMAGE, record_fields.AUDIO)


@pytest.mark.parametrize("start", [b"", b"\0", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"])
@pytest.mark.parametrize("number", [0, 2])
def test_a_shard_without_a_record_is_damaged_unless_it_is_said_to_have_none(
    tmp_path, start, number
):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(9)], 3, described=False)
    shard = sorted(tmp_path.glob("*.tfrecord*"))[number]
    shard.write_bytes(start)
    found = [record.serialized.numpy() for record, _ in opened(tmp_path).once(0)]
    assert len(found) == 7 and found[3 * number] == b""


def test_a_shard_that_is_said_to_have_no_record(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(9)], 3)
    path = tmp_path / "dataset.json"
    description = json.loads(path.read_text())
    split = description["splits"]["train"]
    split["clips"] -= split["shards"][0]["clips"]
    for name in [name for name in split if name.startswith("with_")]:
        split[name] = min(split[name], split["clips"])
    split["shards"][0]["clips"] = 0
    path.write_text(json.dumps(description))
    (tmp_path / split["shards"][0]["file"]).write_bytes(b"")
    assert read(opened(tmp_path).once(0))[0] == [1, 4, 7, 2, 5, 8]


def test_compressed_shards_after_an_empty_one(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(9)], 3, described=False)
    first, *others = sorted(tmp_path.glob("*.tfrecord*"))
    first.write_bytes(b"")
    for shard in others:
        shard.write_bytes(gzip.compress(shard.read_bytes()))
    found = [record.serialized.numpy() for record, _ in opened(tmp_path).once(0)]
    assert found[0] == b"" and b"" not in found[1:] and len(found) == 7
