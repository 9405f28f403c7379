"""Preparations that were interrupted, are complete, or belong to somebody else."""

import dataclasses
import shutil
from types import SimpleNamespace

import pytest
from prepared import FAST, contents

from brave_tf.data.clips.clip_list import read_clips
from brave_tf.data.preparation import filling
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.prepared_folder import claimed
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.errors import UserError
from brave_tf.process import worker_pool
from brave_tf.process.progress import Progress


def test_workers_do_not_change_a_byte(clips, prepared, tmp_path):
    prepare(clips, str(tmp_path), FAST, workers=1)
    assert contents(tmp_path) == contents(prepared.folder)


def test_input_may_lie_elsewhere(media, prepared, tmp_path):
    shutil.copytree(media, tmp_path / "copy")
    copies = read_clips(str(tmp_path / "copy" / "clips.csv"))
    prepare(copies, str(tmp_path / "out"), FAST, workers=2)
    assert contents(tmp_path / "out") == contents(prepared.folder)


def test_complete_preparation_is_left_alone(clips, prepared, monkeypatch):
    before = contents(prepared.folder)
    monkeypatch.setattr(filling, "fill", lambda *_: pytest.fail("prepared again"))
    (prepared.folder / ".train-00000-of-00003.tfrecord.journal").write_text("left by a kill")
    report = prepare(clips, str(prepared.folder), FAST)
    assert report == (15, 3, 6, True, 0)
    assert contents(prepared.folder) == before


@pytest.mark.parametrize("after", [1, 5, 12])
def test_interrupted_preparation_goes_on(clips, prepared, tmp_path, monkeypatch, after):
    count = 0

    def add(self, failed):
        nonlocal count
        count += 1
        if count == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "add", add)
        with pytest.raises(KeyboardInterrupt):
            prepare(clips, str(tmp_path), FAST, workers=2)
    assert not (tmp_path / "dataset.json").exists()
    monkeypatch.setattr(Progress, "add", lambda *_, **__: None)
    encoded = []
    real_run = worker_pool.run_in_order

    def run(function, tasks, **kwargs):
        return real_run(function, (encoded.append(task) or task for task in tasks), **kwargs)

    monkeypatch.setattr(worker_pool, "run_in_order", run)
    prepare(clips, str(tmp_path), FAST, workers=2)
    assert len(encoded) == 17 - after
    assert contents(tmp_path) == contents(prepared.folder)


def test_another_preparation_is_refused(clips, prepared):
    folder = str(prepared.folder)
    with pytest.raises(UserError, match=r"its --fps is 12\.5, not 25\.0; its --flow is 'dis', not"):
        prepare(clips, folder, PreparationSettings(min_side=32, sample_rate=8000, num_shards=3))
    with pytest.raises(UserError, match=r"18 clips, now 19 clips"):
        prepare([*clips, clips[0]], folder, FAST)
    for change in ({"split": "val"}, {"labels": ("clap",)}, {"end": 0.5}, {"size": 7}):
        with pytest.raises(UserError, match=r"its clips were others"):
            prepare([dataclasses.replace(clips[0], **change), *clips[1:]], folder, FAST)


def test_unfinished_other_preparation_is_refused(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(Progress, "add", lambda *_, **__: exit())
    with pytest.raises(SystemExit):
        prepare(clips, str(tmp_path), FAST, workers=1)
    with pytest.raises(UserError, match="another preparation: its --seed is 0, not 1"):
        prepare(clips, str(tmp_path), PreparationSettings(**{**vars(FAST), "seed": 1}))


def test_foreign_records_are_left_alone(clips, tmp_path):
    (tmp_path / "train.tfrecord-00000-of-00001").write_bytes(b"precious")
    with pytest.raises(UserError, match="records of another origin"):
        prepare(clips, str(tmp_path), FAST)


def test_damaged_complete_folder_is_named(clips, prepared, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(prepared.folder, folder)
    (folder / "train-00001-of-00003.tfrecord").write_bytes(b"")
    with pytest.raises(UserError, match="train-00001-of-00003.tfrecord is missing or damaged"):
        prepare(clips, str(folder), FAST)
    (folder / "dataset.json").write_text("{")
    with pytest.raises(UserError, match="dataset.json: is damaged"):
        prepare(clips, str(folder), FAST)


@pytest.mark.parametrize("where", ["file", "file/below", "/dev/null/x"])
def test_output_that_cannot_be_written(clips, tmp_path, where):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        prepare(clips, str(tmp_path / where), FAST)


def test_full_disk_is_noticed_early(clips, tmp_path, monkeypatch):
    usage = SimpleNamespace(total=10**12, free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="disk is full"):
        prepare(clips, str(tmp_path), FAST)


def test_two_at_once_are_kept_apart(clips, tmp_path):
    with claimed(str(tmp_path)), pytest.raises(UserError, match="another process"):
        prepare(clips, str(tmp_path), FAST)
