import hashlib
import json
import os
import signal

import pytest
import tensorflow as tf

from brave_tf.data.preparation.clip_list import Clip
from brave_tf.data.preparation.prepared_folder import JOURNAL, Outcome, StorageError
from brave_tf.data.preparation.shards import ShardStore, plan

IDENTITY = {"settings": {"fps": 25.0}, "input": {"clips": 10}}
FAILED = {3, 7}


def make_clips(count=10, split="train"):
    return [Clip(f"{split}{i}.mp4", f"/{i}", 0.0, None, (), split, 5) for i in range(count)]


def record_of(clip):
    return clip.path.encode() * 20


def add_all(store, limit=None):
    for clip in list(store.remaining())[:limit]:
        if int(clip.path[len(clip.split) : -4]) in FAILED:
            store.add(Outcome(failure=("decode", "bad")), None)
        else:
            store.add(Outcome(("rgb",), 2.0), record_of(clip))


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != JOURNAL}


def records(path):
    return [r.numpy() for r in tf.data.TFRecordDataset(str(path))]


@pytest.fixture(scope="module")
def shards():
    return plan(make_clips(), 3, seed=0)


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with ShardStore(str(folder), shards, IDENTITY) as store:
        add_all(store)
    return contents(folder)


def test_plan_deals_every_clip_once():
    clips = make_clips(600) + make_clips(5, "test")
    shards = plan(clips, 0, seed=0)
    assert [(s.split, s.file, len(s.clips)) for s in shards] == [
        ("test", "test-00000-of-00001.tfrecord", 5),
        ("train", "train-00000-of-00003.tfrecord", 200),
        ("train", "train-00001-of-00003.tfrecord", 200),
        ("train", "train-00002-of-00003.tfrecord", 200),
    ]
    assert sorted(c.path for s in shards for c in s.clips) == sorted(c.path for c in clips)
    assert [c for s in shards for c in s.clips if c.split == "train"] != clips[:600]


def test_plan_never_makes_more_shards_than_clips():
    assert [len(s.clips) for s in plan(make_clips(3), 8, 0)] == [1, 1, 1]
    assert [len(s.clips) for s in plan(make_clips(10), 4, 0)] == [2, 3, 2, 3]


def test_shards_hold_the_records_in_order(tmp_path, shards):
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        assert store.total == 10
        add_all(store)
        assert list(store.remaining()) == []
    for shard, entry in zip(shards, store.files):
        path = tmp_path / shard.file
        good = [c for c in shard.clips if int(c.path[5:-4]) not in FAILED]
        assert records(path) == [record_of(clip) for clip in good]
        assert entry == {
            "file": shard.file,
            "clips": len(good),
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
    assert sum(outcome.failure is not None for outcome in store.outcomes) == len(FAILED)


@pytest.mark.parametrize("stop", range(11))
def test_goes_on_after_any_clip(tmp_path, shards, whole, stop):
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        add_all(store, stop)
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        assert len(store.outcomes) == stop
        add_all(store)
    assert contents(tmp_path) == whole
    assert [entry["file"] for entry in store.files] == [shard.file for shard in shards]


def test_goes_on_again_and_again(tmp_path, shards, whole):
    for _ in range(10):
        with ShardStore(str(tmp_path), shards, IDENTITY) as store:
            add_all(store, 1)
    assert contents(tmp_path) == whole


def test_unfinished_file_that_is_ahead_of_or_behind_the_journal(tmp_path, shards, whole):
    for lost_from in ("journal", "shard"):
        folder = tmp_path / lost_from
        folder.mkdir()
        with ShardStore(str(folder), shards, IDENTITY) as store:
            add_all(store, 5)
        path = folder / JOURNAL
        if lost_from == "shard":
            (path,) = folder.glob(".*.partial")
        path.write_bytes(path.read_bytes()[:-30])
        with ShardStore(str(folder), shards, IDENTITY) as store:
            assert 3 <= len(store.outcomes) < 5
            add_all(store)
        assert contents(folder) == whole


def test_stopped_between_closing_a_shard_and_noting_it(tmp_path, shards, whole):
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        add_all(store, len(shards[0].clips))
    journal = tmp_path / JOURNAL
    lines = journal.read_text().splitlines(keepends=True)
    assert "shard" in json.loads(lines[-1])
    journal.write_text("".join(lines[:-1]))
    for rename_done in (True, False):
        if not rename_done:
            os.replace(tmp_path / shards[0].file, tmp_path / f".{shards[0].file}.partial")
            journal.write_text("".join(lines[:-1]))
        with ShardStore(str(tmp_path), shards, IDENTITY) as store:
            assert len(store.files) == 1
            assert store.files[0]["sha256"] == hashlib.sha256(whole[shards[0].file]).hexdigest()
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        add_all(store)
    assert contents(tmp_path) == whole


def test_stopped_while_taking_up_an_unfinished_file(tmp_path, shards, whole):
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        add_all(store, 2)
    (partial,) = tmp_path.glob(".*.partial")
    os.rename(partial, f"{partial}.old")
    partial.write_bytes(b"begun")
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        assert len(store.outcomes) == 2
        add_all(store)
    assert contents(tmp_path) == whole


def test_damaged_shard_is_made_again(tmp_path, shards, whole):
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        add_all(store, 8)
    (tmp_path / shards[0].file).write_bytes(b"damaged")
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        assert store.outcomes == []
        add_all(store)
    assert contents(tmp_path) == whole


def test_discard_and_forget(tmp_path, shards):
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        for _ in list(store.remaining()):
            store.add(Outcome(failure=("decode", "bad")), None)
    store.discard()
    assert list(tmp_path.iterdir()) == []


def test_disk_that_takes_no_more(tmp_path, shards, whole):
    resource = pytest.importorskip("resource")
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    big = b"x" * 100_000
    try:
        with ShardStore(str(tmp_path), shards, IDENTITY) as store:
            add_all(store, 5)
            done = len(store.outcomes)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
            with pytest.raises(StorageError, match="run the same command again"):
                store.add(Outcome(("rgb",), 2.0), big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    with ShardStore(str(tmp_path), shards, IDENTITY) as store:
        assert len(store.outcomes) == done
        add_all(store)
    assert contents(tmp_path) == whole
