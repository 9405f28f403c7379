"""Mistakes that users make: each is named, with what was expected or what to do, before any work."""

import errno
import os
import socket

import command
import media
import numpy as np
import pytest
import record_fixtures
import tiny_run
import untrained_run
from mistakes import MISTAKES, evaluated
from prepare_mistakes import SMALL

from brave_tf.cli import embed, export, prepare, train
from brave_tf.cli import eval as evaluate

ROWS = {
    "typo.csv": "paht,label\na.mp4,x\n",
    "header.csv": "path,label\n",
    "times.csv": "path,start,end\nvideos/a/1.mp4,2,1\n",
    "words.csv": "path,start\nvideos/a/1.mp4,soon\n",
    "twice.csv": "path,path\nvideos/a/1.mp4,b\n",
    "commas.csv": "path,label\nvideos/a/1.mp4,one, two\n",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder as users have it: videos, lists, records, a run, its export, and files of other kinds."""
    place = tmp_path_factory.mktemp("place")
    model_dir = untrained_run.write_run(place)
    assert command.run(export, f"--model_dir={model_dir}", f"--output={place / 'exported'}") == 0
    for label in "ab":
        path = place / "videos" / label / "1.mp4"
        path.parent.mkdir(parents=True)
        media.write_video(path, media.moving_texture(10), 10)
    for name, text in ROWS.items():
        (place / name).write_text(text)
    (place / "latin.csv").write_bytes("path\ncafé.mp4\n".encode("latin-1"))
    for folder in ("train/a", "test/a", "cat/a"):
        (place / "mixed" / folder).mkdir(parents=True)
        (place / "mixed" / folder / "1.mp4").write_bytes(b"")
    (place / "empty").mkdir()
    (place / "text.txt").write_text("no checkpoint")
    np.save(place / "array.npy", np.zeros(3))
    silent = [_silent(label) for label in (0, 1)]
    for split in ("train", "test"):
        settings = {"audio": "none", "fps": tiny_run.RATE}
        record_fixtures.write_shards(place / "silent", silent, 1, split, settings=settings)
    unlabelled = [_silent() for _ in range(2)]
    record_fixtures.write_shards(place / "unlabelled", unlabelled, 1, "train")
    record_fixtures.write_shards(place / "unlabelled", unlabelled, 1, "test")
    record_fixtures.write_shards(place / "half_labelled", silent, 1, "train")
    record_fixtures.write_shards(place / "half_labelled", unlabelled, 1, "test")
    return place


@pytest.fixture(scope="module")
def port():
    """One at which something listens."""
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        yield taken.getsockname()[1]


def _silent(*labels):
    pixels = np.zeros((tiny_run.FRAMES, tiny_run.SIZE, tiny_run.SIZE, 3), np.uint8)
    images = [record_fixtures.jpeg(frame) for frame in pixels]
    return record_fixtures.record(images=images, labels=labels, frame_rate=tiny_run.RATE)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(mistake, place, port, tmp_path, capsys):
    (place / "plugin.gin").write_text("import my_plugin\ninclude 'as_v_fa.gin'\n")
    module, arguments, expected = MISTAKES[mistake]
    new = tmp_path / "new"
    arguments = [argument.format(place=place, new=new, port=port) for argument in arguments]
    assert command.run(module, *arguments) == 2
    out, err = capsys.readouterr()
    for part in expected:
        assert any(each in err for each in part.split("|")), err
    # No model was made, and no clip was prepared.
    assert "parameters" not in out and "prepared" not in out
    assert not list(tmp_path.glob("new*/*.tfrecord")) and not list(
        tmp_path.glob("new*/checkpoints")
    )


WRITTEN = {
    "prepare": (prepare, ["--input={place}/videos", "--output={new}", *SMALL, "--workers=1"], 1),
    "train": (train, ["--gin_file={place}/tiny.gin", "--model_dir={new}"], 2),
    "eval": (evaluate, evaluated(task="folder/knn"), 1),
    "export": (export, ["--model_dir={place}/model", "--output={new}"], 2),
    "embed": (
        embed,
        ["--model={place}/exported", "--input={place}/records", "--output={new}.npz"],
        1,
    ),
}


@pytest.mark.parametrize("command_name", WRITTEN)
def test_a_full_disk_is_told(command_name, place, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    module, arguments, code = WRITTEN[command_name]
    arguments = [argument.format(place=place, new=tmp_path / "new") for argument in arguments]
    for name in ("replace", "rename"):
        monkeypatch.setattr(f"os.{name}", full)
    assert command.run(module, *arguments) == code
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "new.npz").exists()
