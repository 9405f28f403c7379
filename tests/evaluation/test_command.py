"""What an evaluation does on a full disk, and with features that were damaged."""

import errno
import json
import os
import re
import shutil
import zipfile

import command
import pytest
import untrained_run

from brave_tf.cli import eval as eval_command
from brave_tf.storage import files

FAST = [f"--gin_bindings=eval_windows.{name} = 1" for name in ("train_passes", "temporal_crops")]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder with `records` and a run `model`."""
    folder = tmp_path_factory.mktemp("command")
    untrained_run.write_run(folder)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "here")


def evaluate(folder, *arguments):
    flags = (f"--data={folder / 'records'}", f"--model_dir={folder / 'model'}", *FAST)
    return command.run(eval_command, *flags, f"--output={folder / 'out'}", *arguments)


def metrics(folder):
    found = json.loads((folder / "out" / "results.json").read_text())["results"]
    return {entry["task"]: entry["metrics"] for entry in found}


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def failing_archives(fails):
    """Archives that cannot be written with the methods of compression for which `fails`; others can."""

    class Archive(zipfile.ZipFile):
        def __init__(self, file, mode="r", compression=zipfile.ZIP_STORED, *args, **kwargs):
            if mode == "w" and fails(compression):
                full()
            super().__init__(file, mode, compression, *args, **kwargs)

    return Archive


@pytest.mark.parametrize("flags", [(), ("--watch",)])
@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_full_disk_is_one_message_and_the_same_command_goes_on(
    folder, capsys, monkeypatch, kind, flags
):
    tasks = "--task=folder/knn,folder/knn_audio"
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZipFile", failing_archives(lambda method: method == kind))
        assert evaluate(folder, tasks, *flags) == 1
    shown = capsys.readouterr()
    assert shown.err.count("error: ") == 1 and "Traceback" not in shown.err
    told = rf"error: folder/knn: {folder}/out/\S+\.npz could not be written \(No space left on device\)"
    assert re.search(
        told + r"; [\d,.]+ MB are free on that disk\. .*are kept.*same command", shown.err
    )
    # The other task would not have fared better.
    assert "folder/knn_audio: view" not in shown.out
    assert evaluate(folder, tasks, *flags) == 0
    assert set(metrics(folder)) == {"folder/knn", "folder/knn_audio"}


def test_a_full_disk_keeps_the_tasks_that_are_done(folder, monkeypatch):
    def later(method):
        return method == zipfile.ZIP_DEFLATED and (folder / "out" / "results.json").exists()

    monkeypatch.setattr(zipfile, "ZipFile", failing_archives(later))
    assert evaluate(folder, "--task=folder/knn,folder/retrieval") == 1
    assert set(metrics(folder)) == {"folder/knn"}


def test_charts_that_cannot_be_written_end_the_watch(folder, capsys):
    (folder / "model" / "tensorboard").mkdir()
    (folder / "model" / "tensorboard" / "eval").touch()
    assert evaluate(folder, "--task=folder/knn", "--watch") == 1
    shown = capsys.readouterr().err
    assert "tensorboard/eval could not be written" in shown and "Traceback" not in shown
    assert set(metrics(folder)) == {"folder/knn"}


@pytest.mark.parametrize("damage", ["flip", "pickle"])
def test_damaged_features_are_made_again(folder, caplog, damage):
    assert evaluate(folder, "--task=folder/knn") == 0
    before = metrics(folder)
    part = sorted((folder / "out" / "features").rglob("part-*.npz"))[0]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(b"\x80\x04N." if damage == "pickle" else content)
    damaged = files.sha256_of(part)
    assert evaluate(folder, "--task=folder/knn") == 0
    assert metrics(folder) == before
    assert str(part) in caplog.text
    assert files.sha256_of(part) != damaged
