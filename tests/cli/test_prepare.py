import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import command
import labelled_films
import pytest
import waiting_pipes
from media import moving_texture, tone, write_audio, write_video
from of_a_kind import some_long
from prepared import contents
from remuxed import joined

from brave_tf.cli import prepare as prepare_command

FAST = ("--fps=5", "--min_side=16", "--flow=dis", "--sample_rate=8000", "--workers=1")


@pytest.fixture
def films(tmp_path):
    return labelled_films.write_labelled(tmp_path / "films")


def run(*flags):
    return command.run(prepare_command, *flags)


def test_prepares_a_folder_and_counts_failures_on_the_last_line(films, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(f"--input={films}", f"--output={out}", *FAST) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("wrote 2 clips in 1 shards") and "1 failed, see" in last
    dataset = json.loads((out / "dataset.json").read_text())
    assert dataset["splits"]["train"]["labels"] == {"cat": 1, "dog": 1}
    assert dataset["settings"]["fps"] == 5 and dataset["settings"]["min_side"] == 16
    before = contents(out)
    assert run(f"--input={films}", f"--output={out}", *FAST) == 0
    assert capsys.readouterr().out.startswith("already complete: 2 clips")
    assert contents(out) == before


def test_a_clip_that_is_a_pipe_is_not_waited_for(films, tmp_path, capsys):
    listed = [*map(str, films.rglob("*.*")), "pipe.mp4"]
    (tmp_path / "list.csv").write_text("\n".join(["path", *listed]) + "\n")
    with waiting_pipes.unwritten(tmp_path / "pipe.mp4"):
        assert run(f"--input={tmp_path / 'list.csv'}", f"--output={tmp_path / 'out'}", *FAST) == 0
    assert "wrote 2 clips" in capsys.readouterr().out
    assert "pipe.mp4" in (tmp_path / "out" / "failures.csv").read_text()


def test_warnings_are_counted_on_the_last_line(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    parts = [write_audio(tmp_path / f"{i}.ogg", tone(0.5)) for i in range(2)]
    joined(tmp_path / "in" / "joined.ogg", parts)
    out = tmp_path / "out"
    assert run(f"--input={tmp_path / 'in'}", f"--output={out}", *FAST) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert (
        f"wrote 1 clips in 1 shards in {out}; 1 with warnings, see {out}/warnings.csv; 0 failed"
        == last
    )


def test_every_setting_has_a_flag(films, tmp_path):
    source = tmp_path / "clips.csv"
    source.write_text("path,kind,fold\nfilms/cat/film.mp4,a;b,one\nfilms/dog/film.mp4,b,one\n")
    flags = {
        "fps": 10.0,
        "min_side": 24,
        "flow": "none",
        "flow_bound": 10.0,
        "audio": "flac",
        "sample_rate": 16000,
        "jpeg_quality": 80,
        "num_shards": 2,
        "seed": 3,
    }
    given = [f"--{name}={value}" for name, value in flags.items()]
    given += ["--label_column=kind", "--split_column=fold", "--label_separator=;"]
    out = tmp_path / "out"
    assert run(f"--input={source}", f"--output={out}", "--timeout=60", "--workers=1", *given) == 0
    dataset = json.loads((out / "dataset.json").read_text())
    assert dataset["settings"] == flags
    assert dataset["splits"]["one"]["labels"] == {"a": 1, "b": 2}
    assert len(dataset["splits"]["one"]["shards"]) == 2


def test_folds_keep_groups_together(tmp_path, capsys):
    rows = ["path,label,who"]
    for number in range(8):
        write_audio(tmp_path / f"{number}.wav", tone(0.2))
        rows.append(f"{number}.wav,{'ab'[number % 2]},person {number // 2}")
    (tmp_path / "clips.csv").write_text("\n".join(rows) + "\n")
    flags = (f"--input={tmp_path / 'clips.csv'}", "--group_column=who", "--folds=2")
    out = tmp_path / "out"
    assert run(*flags, f"--output={out}", *FAST) == 0
    splits = json.loads((out / "dataset.json").read_text())["splits"]
    assert {name: split["labels"] for name, split in splits.items()} == {
        f"fold{number}": {"a": 2, "b": 2} for number in (1, 2)
    }
    assert run(*flags, "--list") == 0
    assert "fold2: 4 clips, 2 labels" in capsys.readouterr().out
    assert run(*flags, f"--output={out}", "--seed=8", *FAST) == 2


def test_nothing_could_be_prepared(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(b"no film")
    out = tmp_path / "out"
    assert run(f"--input={tmp_path / 'in'}", f"--output={out}", *FAST) == 1
    error = capsys.readouterr().err
    assert "none of 1 clips could be prepared" in error and "failures.csv" in error
    source = tmp_path / "clips.csv"
    source.write_text("path\ngone.mp4\n")
    assert run(f"--input={source}", f"--output={tmp_path / 'other'}", *FAST) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input=x"], "--output is missing"),
        (["--input={films}", "--output={out}", "--min_side=1"], "--min_side=1: expected"),
        (["--input={films}", "--output={out}", "--workers=-1"], "--workers=-1: expected"),
        (["--input={films}", "--output={out}", "--timeout=-1"], "--timeout=-1.0: expected"),
        (["--input={films}", "--output={out}", "--beam_options=--x=1"], "is for --runner=beam"),
        (["--input={films}", "--output={films}/cat/film.mp4/x"], "cannot be written"),
        (["films", "--output={out}"], "unexpected arguments"),
        (["--input={films}", "--output={out}", "--fps=fast"], "--fps=fast"),
    ],
)
def test_unusable_arguments(films, tmp_path, capsys, flags, message):
    out = tmp_path / "out"
    assert run(*(flag.format(films=films, out=out) for flag in flags)) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_list_counts_clips_and_missing_files(films, tmp_path, capsys):
    source = tmp_path / "clips.csv"
    rows = ["films/cat/film.mp4,a;b,train", "gone.mp4,b,train", "films/dog/film.mp4,,test"]
    source.write_text("\n".join(["path,label,split", *rows]) + "\n")
    assert run(f"--input={source}", "--list", "--label_separator=;") == 0
    assert capsys.readouterr().out.splitlines() == [
        "test: 1 clips, 0 labels",
        "  (none) 1",
        "train: 2 clips (1 of missing files), 2 labels",
        "  a 1",
        "  b 2 (1 of missing files)",
        "missing: gone.mp4",
    ]
    source.write_text("path\ngone.mp4\n")
    assert run(f"--input={source}", "--list") == 1


SCRIPT = '''"""Prepares the films of a test."""

from absl import flags

from brave_tf.cli import prepare
from brave_tf.data.preparation import clip_list
from brave_tf.errors import UserError


def read_clips(root):
    if flags.FLAGS.half not in (1, 2):
        raise UserError(f"--half={flags.FLAGS.half}: expected 1 or 2.")
    names = ["cat/film.mp4", "dog/film.mp4", "gone.mp4"][flags.FLAGS.half - 1 :]
    return [clip_list.make_clip(root, name, labels=("film",), split="val") for name in names]


if __name__ == "__main__":
    flags.DEFINE_integer("half", 1, "Which half.")
    prepare.console_main(read_clips, __doc__)
'''


def test_script_of_a_data_set(films, tmp_path):
    script = tmp_path / "my data set" / "prepare-films.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)

    def start(*flags):
        words = [sys.executable, str(script), *flags]
        return subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)

    out = tmp_path / "out"
    done = start(f"--input={films}", f"--output={out}", "--half=2", *FAST)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("wrote 1 clips in 1 shards") and "1 failed" in last
    assert last.endswith("; 2 media files left out (2 .mp4)")
    dataset = json.loads((out / "dataset.json").read_text())
    assert dataset["splits"]["val"]["labels"] == {"film": 1}
    help_text = start("--help").stdout
    assert help_text.startswith("Prepares the films of a test.")
    assert "--half" in help_text and "--min_side" in help_text and "label_column" not in help_text
    wrong = start(f"--input={films}", f"--output={tmp_path / 'other'}", "--half=3")
    assert wrong.returncode == 2 and "--half=3: expected 1 or 2." in wrong.stderr


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    write_video(folder / "film.avi", moving_texture(100), audio=tone(4.0))
    write_audio(folder / "sound.wav", tone(4.0))
    rows = [
        f"{name},{i % 40 / 10},{i % 40 / 10 + 0.4}"
        for name in ("film.avi", "sound.wav")
        for i in range(80)
    ]
    (folder / "clips.csv").write_text("\n".join(["path,start,end", *rows]) + "\n")
    return folder / "clips.csv"


def start(source, out, *flags):
    code = "from brave_tf.cli.prepare import console_main; console_main()"
    words = [sys.executable, "-c", code, f"--input={source}", f"--output={out}", *FAST, *flags]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def lines(out):
    return sum(path.read_bytes().count(b"\n") for path in out.glob(".*.journal"))


@pytest.mark.parametrize(
    "how", some_long([signal.SIGKILL, signal.SIGINT, signal.SIGTERM], [signal.SIGKILL])
)
def test_killed_and_run_again(many, tmp_path, how):
    whole, out = tmp_path / "whole", tmp_path / "out"
    process = start(many, out, "--num_shards=4")
    deadline = time.monotonic() + 300
    while lines(out) < 60 and time.monotonic() < deadline:
        time.sleep(0.002)
    # Ctrl-C reaches the whole process group.
    (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
    _, errors = process.communicate(timeout=30)
    codes = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130, signal.SIGTERM: 143}
    assert process.returncode == codes[how]
    if how != signal.SIGKILL:
        assert "run the same command again" in errors
    assert "Traceback" not in errors
    done = lines(out)
    assert 60 <= done < 160 and not (out / "dataset.json").exists()
    for folder in (out, whole):
        process = start(many, folder, "--num_shards=4")
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert output.splitlines()[-1].startswith("wrote 160 clips in 4 shards")
    assert contents(out) == contents(whole)


def status(pid):
    """Returns the state and the parent of a process, from its line in /proc; None when it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def running(pid):
    found = status(pid)
    return found is not None and found[0] not in "ZX"


def children(pid):
    pids = [int(path.name) for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]
    return [other for other in pids if (status(other) or ("", 0))[1] == pid]


@pytest.mark.long
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads the process table of Linux")
def test_workers_end_with_a_killed_parent(many, tmp_path):
    process = start(many, tmp_path / "out")
    deadline = time.monotonic() + 300
    while lines(tmp_path / "out") < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    workers = children(process.pid)
    assert workers
    process.kill()
    process.communicate()
    while any(map(running, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(running, workers))
