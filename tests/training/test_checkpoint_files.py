"""Checkpoints that are whole or not there, and damage that is found before they are read."""

import hashlib
import json
import os
import resource
import shutil

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.training import checkpoint_files as files

INDEX, DATA = "index", "data-00000-of-00001"


def state(value):
    return tf.train.Checkpoint(weights=tf.Variable(tf.fill([1000], float(value))))


@pytest.fixture
def folder(tmp_path):
    """Checkpoints of the steps 3 and 5, which hold these numbers."""
    folder = tmp_path / "checkpoints"
    for step in (3, 5):
        files.write(state(step), folder, step, held_out_loss=step / 2)
    return folder


def read(folder, step):
    restored = state(0)
    restored.read(files.path_of(folder, step)).assert_consumed()
    return restored.weights.numpy()


def test_what_is_written_is_found_and_read(folder):
    assert files.steps(folder) == [3, 5]
    assert files.newest(folder) == 5
    np.testing.assert_array_equal(read(folder, 5), np.full(1000, 5.0))
    manifest = json.loads((folder / "step-5.json").read_text())
    assert manifest["step"] == 5
    assert manifest["held_out_loss"] == 2.5
    sizes = {name: file["bytes"] for name, file in manifest["files"].items()}
    paths = [folder / f"step-5.{ending}" for ending in (INDEX, DATA)]
    assert sizes == {path.name: path.stat().st_size for path in paths}
    assert sorted(os.listdir(folder)) == sorted(
        f"step-{step}.{ending}" for step in (3, 5) for ending in (INDEX, DATA, "json")
    )


def test_a_folder_without_checkpoints_has_no_newest(tmp_path):
    assert files.newest(tmp_path) is None
    assert files.newest(tmp_path / "none") is None


def test_tensorflow_finds_what_is_named(folder, tmp_path):
    files.name(folder, files.LAST, 5)
    files.name(folder, files.BEST, 3)
    moved = folder.rename(tmp_path / "moved")
    assert tf.train.latest_checkpoint(str(moved)) == str(moved / "step-5")
    assert tf.train.latest_checkpoint(str(moved), files.BEST) == str(moved / "step-3")


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("ending", [INDEX, DATA, "json"])
def test_a_byte_that_changed_anywhere_is_found(folder, ending):
    path = folder / f"step-5.{ending}"
    manifest = files.verify(folder, 5)
    whole = path.read_bytes()
    for position in np.random.default_rng(0).choice(len(whole), 40, replace=False):
        # White space may change without a change of meaning.
        if ending == "json" and whole[position : position + 1].isspace():
            continue
        flip(path, position)
        with pytest.raises(files.DamagedError, match=path.name):
            files.verify(folder, 5)
        assert files.newest(folder) == 3
        path.write_bytes(whole)
    assert files.verify(folder, 5) == manifest


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda p: os.truncate(p("data-00000-of-00001"), 100), "has 100 bytes instead of"),
        (lambda p: os.truncate(p("index"), 0), "has 0 bytes instead of"),
        (lambda p: p("data-00000-of-00001").unlink(), "data-00000-of-00001 is missing"),
        (lambda p: p("index").unlink(), "step-5.index is missing"),
        (lambda p: p("json").unlink(), "step-5.json is missing"),
        (lambda p: p("json").write_text(""), "step-5.json cannot be read"),
        (lambda p: p("json").write_text("[1]"), "step-5.json cannot be read"),
        (lambda p: p("json").write_text('{"step": 5, "files": {}}'), "step-5.json cannot be read"),
        (
            lambda p: shutil.copy(p("json").with_stem("step-3"), p("json")),
            "is not what was written",
        ),
        (lambda p: p("json").write_bytes(b"\xff\xfe\xfd"), "step-5.json cannot be read"),
    ],
)
def test_a_damaged_one_is_named_and_the_one_before_is_used(folder, caplog, damage, reason):
    damage(lambda ending: folder / f"step-5.{ending}")
    assert files.newest(folder) == 3
    assert str(folder / "step-5") in caplog.text
    assert reason in caplog.text
    assert "step 3 is used" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {"/etc/hostname": {"bytes": 1, "sha256": ""}}},
        {"files": {"../step-5.index": {"bytes": 1, "sha256": ""}}},
        {"files": {"step-3.index": {"bytes": 1, "sha256": ""}}},
        {"files": []},
        {"files": {"step-5.index": {"bytes": "1"}}},
        {"held_out_loss": [0.5]},
    ],
)
def test_a_manifest_that_says_something_else_is_damaged(folder, changes):
    """Its own SHA-256 is right, as one who wants to deceive would have it."""
    path = folder / "step-5.json"
    manifest = {**json.loads(path.read_text()), **changes}
    del manifest["sha256"]
    text = json.dumps(manifest, sort_keys=True)
    manifest["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(manifest))
    with pytest.raises(files.DamagedError, match=r"step-5\.json"):
        files.verify(folder, 5)
    assert files.newest(folder) == 3


def test_when_all_are_damaged_each_is_named(folder):
    for step in (3, 5):
        (folder / f"step-{step}.index").unlink()
    with pytest.raises(files.DamagedError, match=r"step-5\.index is missing.*step-3\.index"):
        files.newest(folder)


def test_a_limit_of_the_file_system_leaves_older_ones_whole(folder):
    before = sorted(os.listdir(folder))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises((OSError, tf.errors.OpError)):
            files.write(state(7), folder, 7)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(os.listdir(folder)) == before
    assert files.newest(folder) == 5
    files.write(state(7), folder, 7)
    np.testing.assert_array_equal(read(folder, 7), np.full(1000, 7.0))


@pytest.mark.parametrize("step", [5, 7])
@pytest.mark.parametrize("renamed", [0, 1, 2])
def test_whoever_dies_between_two_files_leaves_an_older_one(
    folder, monkeypatch, caplog, step, renamed
):
    done = []

    def rename(*paths):
        if len(done) == renamed:
            raise KeyboardInterrupt
        done.append(paths)
        os.rename(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", rename)
        with pytest.raises(KeyboardInterrupt):
            files.write(state(100), folder, step)
    found = files.newest(folder)
    assert found == (3 if step == 5 else 5)
    np.testing.assert_array_equal(read(folder, found), np.full(1000, float(found)))
    files.write(state(100), folder, step)
    assert files.newest(folder) == step
    np.testing.assert_array_equal(read(folder, step), np.full(1000, 100.0))


def test_prune_deletes_whole_checkpoints_and_remains(folder):
    for step in (6, 7, 53):
        files.write(state(step), folder, step)
    for ending in ("json", "index"):
        (folder / f"step-6.{ending}").unlink()
    files.prune(folder, 7, {5})
    assert {path.name.split(".")[0] for path in folder.iterdir()} == {"step-5", "step-53"}
    assert files.newest(folder) == 53
