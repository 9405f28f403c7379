"""What brave_tf_prepare says of the names in a folder."""

import os
import subprocess
import sys

import command
import labelled_films
import pytest
import tensorflow as tf

from brave_tf.cli import prepare as prepare_command
from brave_tf.data.records.reader import parse_clip

FAST = ("--fps=5", "--min_side=16", "--flow=none", "--sample_rate=8000", "--workers=1")


@pytest.fixture
def films(tmp_path):
    return labelled_films.write_labelled(tmp_path / "films")


def run(*flags):
    return command.run(prepare_command, *flags)


def test_what_a_folder_holds_besides_is_counted_on_the_last_line(films, tmp_path, capsys):
    (films / "cat" / "film").write_bytes((films / "cat" / "film.mp4").read_bytes())
    for name in ("notes.txt", "dog/notes.txt", "dog/film.srt", "dog/list.m3u8", "dog/cover.jpg"):
        (films / name).write_text("no film")
    besides = "5 other files left out (2 .txt, 1 .jpg, 1 .m3u8, 1 .srt)"
    assert run(f"--input={films}", "--list") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "train: 4 clips, 2 labels" and shown[-1] == besides
    out = tmp_path / "out"
    assert run(f"--input={films}", f"--output={out}", *FAST) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("wrote 3 clips in 1 shards") and last.endswith(f"; {besides}")
    for name in ("cat/film", "cat/film.mp4", "dog/film.mp4"):
        (films / name).unlink()
    assert run(f"--input={films}", f"--output={tmp_path / 'none'}", *FAST) == 1
    assert capsys.readouterr().err.rstrip().endswith(f"; {besides}")


def test_names_that_look_alike_are_told(films, capsys):
    (films / "dog").rename(films / "Cat")
    assert run(f"--input={films}", "--list") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == "labels that differ in capitals or spacing alone: 'Cat', 'cat'"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_are_no_text(films, tmp_path, encoding):
    """They are read, listed and reported as any others, whatever the output can show."""
    here = os.fsencode(films)
    os.rename(os.path.join(here, b"dog"), os.path.join(here, b"caf\xe9"))
    film = os.path.join(here, b"caf\xe9", b"\xff.mp4")
    os.rename(os.path.join(here, b"caf\xe9", b"film.mp4"), film)
    os.rename(
        os.path.join(here, b"caf\xe9", b"broken.mp4"), os.path.join(here, b"caf\xe9", b"\xfe.mp4")
    )
    os.symlink(b"nowhere", os.path.join(here, b"caf\xe9", b"\xfd.mp4"))
    out = tmp_path / "out"

    def start(*flags):
        words = [sys.executable, "-m", "brave_tf.cli.prepare", f"--input={films}", *flags]
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run(words, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    listed = start("--list")
    assert r"  caf\xe9 3 (1 of missing files)" in listed
    assert listed[-1] == r"missing: caf\udce9/\udcfd.mp4"
    last = start(f"--output={out}", *FAST)[-1]
    assert last.startswith("wrote 2 clips in 1 shards") and "2 failed, see" in last
    assert (out / "labels.txt").read_text() == "caf\\xe9\ncat\n"
    rows = (out / "failures.csv").read_bytes().splitlines()
    assert sorted(row.split(b",")[0] for row in rows[1:]) == [
        b"caf\xe9/\xfd.mp4",
        b"caf\xe9/\xfe.mp4",
    ]
    records = tf.data.TFRecordDataset([str(path) for path in out.glob("*.tfrecord")])
    paths = {parse_clip(record, ()).path.numpy() for record in records}
    assert paths == {b"cat/film.mp4", b"caf\xe9/\xff.mp4"}
