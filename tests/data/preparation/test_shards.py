import hashlib
import json
import os
import signal
import threading

import pytest
import record_fixtures
import tensorflow as tf
from prepared import contents

from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.preparation.prepared_folder import ClipOutcome, StorageError
from brave_tf.data.preparation.shards import ShardWriter, clips_done, plan, read_whole
from brave_tf.data.records import index as record_index

FAILED = {3, 7}


def make_clips(count=10, split="train"):
    return [ListedClip(f"{split}{i}.mp4", f"/{i}", 0.0, None, (), split, 5) for i in range(count)]


def record_of(clip):
    return record_fixtures.record(images=[clip.path.encode() * 20])


def add_all(folder, shard, limit=None):
    """Adds the clips that the shard lacks, up to `limit` of them."""
    with ShardWriter(str(folder), shard) as writer:
        for clip in shard.clips[writer.done :][:limit]:
            if int(clip.path[len(clip.split) : -4]) in FAILED:
                writer.add(ClipOutcome(failure=("decode", "bad")), None)
            else:
                writer.add(ClipOutcome(("rgb",), 2.0), record_of(clip))
        return writer


def records(path):
    return [r.numpy() for r in tf.data.TFRecordDataset(str(path))]


@pytest.fixture(scope="module")
def shard():
    """10 clips, of which 2 fail."""
    return plan(make_clips(), 1, seed=0)[0]


@pytest.fixture(scope="module")
def whole(shard, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert add_all(folder, shard).whole
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


def test_shard_holds_the_records_in_order(tmp_path, shard, whole):
    add_all(tmp_path, shard)
    good = [c for c in shard.clips if int(c.path[5:-4]) not in FAILED]
    assert records(tmp_path / shard.file) == [record_of(clip) for clip in good]
    entry, outcomes = read_whole(str(tmp_path), shard)
    assert entry == {
        "file": shard.file,
        "clips": 8,
        "bytes": (tmp_path / shard.file).stat().st_size,
        "sha256": hashlib.sha256((tmp_path / shard.file).read_bytes()).hexdigest(),
    }
    failed = [outcome.failure == ("decode", "bad") for outcome in outcomes]
    assert failed == [int(clip.path[5:-4]) in FAILED for clip in shard.clips]
    assert outcomes[failed.index(False)] == ClipOutcome(("rgb",), 2.0)
    found = contents(tmp_path)
    assert set(found) == {shard.file, f".{shard.file}.journal", f"index/{shard.file}"}
    record_index.make(str(tmp_path / shard.file))
    assert contents(tmp_path) == found


def test_shard_has_its_name_only_when_whole(tmp_path, shard):
    for done in range(10):
        assert not (tmp_path / shard.file).exists()
        assert read_whole(str(tmp_path), shard) is None
        assert clips_done(str(tmp_path), shard) == done
        assert add_all(tmp_path, shard, 1).done == done + 1
    assert clips_done(str(tmp_path), shard) == 10 and read_whole(str(tmp_path), shard)


def test_goes_on_again_and_again(tmp_path, shard, whole):
    for stop in range(10):
        assert add_all(tmp_path, shard, 1).done == stop + 1
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("stop", range(11))
def test_goes_on_after_any_clip(tmp_path, shard, whole, stop):
    assert add_all(tmp_path, shard, stop).whole == (stop == 10)
    assert add_all(tmp_path, shard).whole
    assert contents(tmp_path) == whole


def test_unfinished_file_that_is_ahead_of_or_behind_the_journal(tmp_path, shard, whole):
    for lost_from in ("journal", "partial"):
        folder = tmp_path / lost_from
        folder.mkdir()
        add_all(folder, shard, 5)
        path = folder / f".{shard.file}.{lost_from}"
        path.write_bytes(path.read_bytes()[:-30])
        with ShardWriter(str(folder), shard) as writer:
            assert 3 <= writer.done < 5
        add_all(folder, shard)
        assert contents(folder) == whole


@pytest.mark.parametrize("renamed", [True, False])
def test_stopped_between_closing_a_shard_and_noting_it(tmp_path, shard, whole, renamed):
    add_all(tmp_path, shard)
    journal = tmp_path / f".{shard.file}.journal"
    lines = journal.read_text().splitlines(keepends=True)
    assert "shard" in json.loads(lines[-1])
    journal.write_text("".join(lines[:-1]))
    if not renamed:
        os.replace(tmp_path / shard.file, tmp_path / f".{shard.file}.partial")
    assert add_all(tmp_path, shard, 0).whole
    entry, _ = read_whole(str(tmp_path), shard)
    assert entry["sha256"] == hashlib.sha256(whole[shard.file]).hexdigest()
    assert (tmp_path / shard.file).read_bytes() == whole[shard.file]


def test_stopped_while_taking_up_an_unfinished_file(tmp_path, shard, whole):
    add_all(tmp_path, shard, 2)
    partial = tmp_path / f".{shard.file}.partial"
    partial.rename(f"{partial}.old")
    partial.write_bytes(b"begun")
    with ShardWriter(str(tmp_path), shard) as writer:
        assert writer.done == 2
    add_all(tmp_path, shard)
    assert contents(tmp_path) == whole


def test_damaged_shard_is_made_again(tmp_path, shard, whole):
    add_all(tmp_path, shard)
    (tmp_path / shard.file).write_bytes(b"damaged")
    assert read_whole(str(tmp_path), shard) is None
    with ShardWriter(str(tmp_path), shard) as writer:
        assert not writer.whole and writer.done == 0
    add_all(tmp_path, shard)
    assert contents(tmp_path) == whole


def test_second_writer_waits_and_finds_the_work_done(tmp_path, shard, whole):
    found = []

    def write_too():
        with ShardWriter(str(tmp_path), shard) as second:
            found.append((second.whole, second.done))

    with ShardWriter(str(tmp_path), shard) as writer:
        other = threading.Thread(target=write_too)
        other.start()
        for clip in shard.clips:
            assert not found
            failed = int(clip.path[5:-4]) in FAILED
            outcome = (
                ClipOutcome(failure=("decode", "bad")) if failed else ClipOutcome(("rgb",), 2.0)
            )
            writer.add(outcome, None if failed else record_of(clip))
    other.join(timeout=30)
    assert found == [(True, 10)]
    assert contents(tmp_path) == whole


def test_disk_that_takes_no_more(tmp_path, shard, whole):
    resource = pytest.importorskip("resource")
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    add_all(tmp_path, shard, 5)
    try:
        with ShardWriter(str(tmp_path), shard) as writer:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
            with pytest.raises(StorageError, match="run the same command again"):
                writer.add(
                    ClipOutcome(("rgb",), 2.0), record_fixtures.record(images=[b"x" * 100_000])
                )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert add_all(tmp_path, shard, 0).done == 5
    add_all(tmp_path, shard)
    assert contents(tmp_path) == whole
