"""Clips that go wrong and disks that fill up while shards are filled."""

import shutil
from types import SimpleNamespace

import misbehaviour
import pytest
from media import moving_texture, write_video
from prepared import FAST, contents, failures

from brave_tf.data.clips.clip_list import read_clips
from brave_tf.data.preparation import filling
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.prepared_folder import StorageError


def test_hang_and_crash_become_failures(tmp_path):
    for name in ("a", "hang", "b", "crash", "c"):
        write_video(tmp_path / f"{name}.mp4", moving_texture(3))
    out = tmp_path / "out"
    report = prepare(
        read_clips(str(tmp_path)), str(out), FAST, workers=2, timeout=3.0,
        encoder=misbehaviour.encode_unless_named,
    )  # fmt: skip
    assert report[:2] == (3, 2)
    rows = {row["path"]: row for row in failures(out)}
    assert rows["hang.mp4"]["stage"] == "timeout" and "3 s" in rows["hang.mp4"]["reason"]
    assert rows["crash.mp4"]["stage"] == "crash" and "SIGSEGV" in rows["crash.mp4"]["reason"]


def test_disk_that_will_not_do_is_noticed_after_some_clips(clips, prepared, tmp_path, monkeypatch):
    free = iter([10**9, 10**4])
    with monkeypatch.context() as patch:
        patch.setattr(filling, "_SPACE_SAMPLE", 4)
        patch.setattr(
            shutil, "disk_usage", lambda _: SimpleNamespace(total=10**12, free=next(free))
        )
        with pytest.raises(StorageError, match="need about .* GB, 0.0 GB are free"):
            prepare(clips, str(tmp_path), FAST, workers=1)
    prepare(clips, str(tmp_path), FAST, workers=1)
    assert contents(tmp_path) == contents(prepared.folder)
