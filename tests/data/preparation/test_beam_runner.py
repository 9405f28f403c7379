"""The Beam pipeline, on Beam's local runner, against the runner without Beam."""

import sys

import misbehaviour
import pytest
from media import moving_texture, write_video
from prepared import FAST, contents, failures

import brave_tf.data.preparation
from brave_tf.data.clips.clip_list import make_clip, read_clips
from brave_tf.data.preparation import beam_runner
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.prepared_folder import StorageError
from brave_tf.data.preparation.shards import ShardWriter
from brave_tf.errors import UserError

ONE_BY_ONE = ["--runner=DirectRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1"]


@pytest.mark.parametrize("options", [[], ONE_BY_ONE])
def test_same_bytes_as_without_beam(clips, prepared, tmp_path, options):
    report = prepare(clips, str(tmp_path), FAST, workers=2, beam_options=options)
    assert report == prepared.report
    assert contents(tmp_path) == contents(prepared.folder)


@pytest.mark.long
def test_same_bytes_from_processes_of_their_own(clips, prepared, tmp_path):
    options = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    prepare(clips, str(tmp_path), FAST, beam_options=options)
    assert contents(tmp_path) == contents(prepared.folder)


@pytest.mark.parametrize("beam_first", [True, False])
def test_either_runner_goes_on_where_the_other_stopped(
    clips, prepared, tmp_path, monkeypatch, beam_first
):
    ways = [{"beam_options": ONE_BY_ONE}, {"workers": 1}][:: 1 if beam_first else -1]
    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "add", full_after(8, ShardWriter.add))
        with pytest.raises(StorageError, match="the disk is full"):
            prepare(clips, str(tmp_path), FAST, **ways[0])
    left = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*") if path.is_file()}
    whole = {name: time for name, time in left.items() if not name.startswith(".")}
    assert 1 <= len(whole) < 6 and "dataset.json" not in whole
    added = []
    add = ShardWriter.add
    monkeypatch.setattr(ShardWriter, "add", lambda *args: (added.append(args), add(*args)))
    assert prepare(clips, str(tmp_path), FAST, **ways[1]) == prepared.report
    assert len(added) == 17 - 8
    assert contents(tmp_path) == contents(prepared.folder)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in whole} == whole


def full_after(count, add):
    left = iter(range(count))

    def add_while_there_is_room(*args):
        if next(left, None) is None:
            raise StorageError("the disk is full")
        add(*args)

    return add_while_there_is_room


def test_hang_and_crash_become_failures(tmp_path):
    for name in ("a", "hang", "b", "crash", "c"):
        write_video(tmp_path / f"{name}.mp4", moving_texture(3))
    clips = read_clips(str(tmp_path))
    for name, way in {"beam": {"beam_options": []}, "local": {"workers": 2}}.items():
        out = str(tmp_path / name)
        encoder = misbehaviour.encode_unless_named
        assert prepare(clips, out, FAST, timeout=3.0, encoder=encoder, **way)[:2] == (3, 2)
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")
    stages = {row["path"]: row["stage"] for row in failures(tmp_path / "beam")}
    assert stages == {"hang.mp4": "timeout", "crash.mp4": "crash"}


def test_nothing_could_be_prepared(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no film")
    for names in (["a.mp4", "b.mp4"], ["b.mp4"]):
        clips = [make_clip(str(tmp_path), name) for name in names]
        out = tmp_path / f"out{len(names)}"
        assert prepare(clips, str(out), FAST, beam_options=[]) == (0, len(names), 0, False, 0)
        assert list(contents(out)) == ["failures.csv"]


def test_input_that_workers_do_not_see_is_no_failure_of_the_clips(clips, prepared, tmp_path):
    file = write_video(tmp_path / "a.mp4", moving_texture(3))
    unseen = [make_clip(str(tmp_path), "a.mp4")]
    file.rename(tmp_path / "b.mp4")
    with pytest.raises(
        StorageError, match=r"no file of train.* is there, such as .*a\.mp4: all workers"
    ):
        prepare(unseen, str(tmp_path / "out"), FAST, beam_options=[])
    (tmp_path / "b.mp4").rename(file)
    assert prepare(unseen, str(tmp_path / "out"), FAST, beam_options=[])[:2] == (1, 0)


def test_pipeline_that_ends_early(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(beam_runner._FillShard, "process", lambda self, offset: ())
    with pytest.raises(StorageError, match="ended as DONE without 6 of 6 shards"):
        prepare(clips, str(tmp_path), FAST, beam_options=ONE_BY_ONE)


def test_runner_that_beam_does_not_know(clips, tmp_path):
    with pytest.raises(UserError, match="^--runner=Flick: Unexpected pipeline runner"):
        prepare(clips, str(tmp_path), FAST, beam_options=["--runner=Flick"])


def test_without_beam(clips, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "brave_tf.data.preparation.beam_runner", raising=False)
    monkeypatch.delattr(brave_tf.data.preparation, "beam_runner", raising=False)
    with pytest.raises(UserError, match=r"needs Apache Beam: pip install 'brave_tf\[beam\]'"):
        prepare(clips, str(tmp_path), FAST, beam_options=[])
