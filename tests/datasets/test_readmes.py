"""The commands in the READMEs of the data sets."""

import importlib
import pathlib
import re

import command
import pytest
from dataset_script import DATASETS, readme_commands, run
from media import moving_texture, tone, write_video

from brave_tf import config
from brave_tf.cli import prepare as prepare_command
from brave_tf.data import official_splits
from brave_tf.evaluation.registry import list_tasks

NAMES = sorted(path.parent.name for path in DATASETS.glob("*/README.md"))
COMMANDS = [(name, words) for name in NAMES for words in readme_commands(name)]


def flags(words, name):
    return [word.partition("=")[2] for word in words if word.partition("=")[0] == f"--{name}"]


def help_of(words, capsys):
    if words[0] == "python":
        assert run(pathlib.Path(words[1]).parent.name, "--help") == 0
    else:
        module = importlib.import_module(f"brave_tf.cli.{words[0].removeprefix('brave_tf_')}")
        assert command.run(module, "--help") == 0
    return set(re.findall(r"--(?:\[no\])?(\w+)", capsys.readouterr().out))


def test_every_data_set_has_commands():
    folders = {path.name for path in DATASETS.iterdir() if any(path.glob("*.md"))}
    assert folders == set(NAMES)
    assert set(NAMES) - {name for name, _ in COMMANDS} <= {"demo"}


@pytest.mark.parametrize(("name", "words"), COMMANDS)
def test_flags_files_and_tasks_exist(name, words, capsys):
    if words[:2] == ["python", "-m"]:
        assert words[2] == official_splits.__name__ and len(words) == 4
        return
    given = {word.lstrip("-").partition("=")[0] for word in words if word.startswith("--")}
    assert given and given <= help_of(words, capsys)
    if words[0] == "python":
        assert (DATASETS.parent / words[1]).is_file() and words[1].split("/")[1] == name
    files = [str(DATASETS.parent / file) for file in flags(words, "gin_file")]
    bindings = flags(words, "gin_bindings")
    if files or bindings:
        importlib.import_module("brave_tf.training.run")  # what recipes configure
        config.load_config(files, bindings)
    for tasks in flags(words, "task"):
        assert set(tasks.split(",")) <= set(list_tasks())


def test_ones_own_videos(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for label in ("cat", "dog"):
        for number in range(2):
            path = tmp_path / "media" / "mine" / label / f"{number}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, moving_texture(10), fps=10, audio=tone(1.0))
    table = "path,label,split,start,end\nmine/cat/0.mp4,cat|dog,train,0,0.5\nmine/dog/1.mp4,dog,test,,\n"
    (tmp_path / "media" / "mine.csv").write_text(table + "mine/gone.mp4,cat,test,,\n")
    small = ("--fps=5", "--min_side=16", "--sample_rate=8000", "--workers=1")
    expected = ("train: 4 clips", "wrote 4 clips in 2 shards", "wrote 2 clips in 2 shards")
    commands = [words for words in readme_commands("folder") if words[0] == "brave_tf_prepare"]
    for (_, *options), text in zip(commands, expected):
        assert command.run(prepare_command, *options, *small) == 0
        assert text in capsys.readouterr().out
    assert (tmp_path / "data" / "mine_csv" / "labels.txt").read_text() == "cat\ndog\n"
