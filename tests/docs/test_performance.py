"""The page on performance: each of its commands runs, in small."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import tiny_run
from of_a_kind import some_long

from bench import __main__ as bench
from bench import clips
from brave_tf import config

TEXT = (config.RECIPE_DIR.parent / "docs" / "performance.md").read_text()
FOUND = re.findall(r"(?:^ {4}|`)((?:\w+=\S+ )?python -m bench\b[^`\n]*)", TEXT, re.MULTILINE)
# Of a command that stands there with and without something before it, the former.
COMMANDS = [each for each in FOUND if sum(other.endswith(each) for other in FOUND) == 1]
RECIPE = ["--gin_file=as_v_a", "--gin_file=tiny.gin", "--precision=float32", "--repeats=1"]
# The page binds a macro of the recipe's, which that of the home does without.
OVERLAID = [flag.replace("=tiny.gin", "=overlays/tiny.gin") for flag in RECIPE]
STEP = [*RECIPE, "--narrow_frames=0", "--narrow_size=0", "--audio_frames=0"]
DATA = "--data=records"
# What makes the work of a benchmark small.
SMALL = {
    "recipes": [*STEP, "--matrix=64", "--copy_mb=1", "--pairs=1"],
    "operations": STEP,
    "features": [*OVERLAID, DATA, "--gin_bindings=eval_windows.temporal_crops = 1"],
    "augment": ["--clips=1", "--repeats=1", "--steps=flip"],
    "pipeline": ["--data=clips", "--batches=1", "--batch_size=1", "--repeats=1"],
    "train": [*RECIPE, DATA, "--steps=1"],
    "scaling": ["--backbone=tsm_light", "--batch_sizes=1", "--frames=2", "--size=16", *RECIPE[2:]],
    "prepare_memory": ["--clips=2", "--workers=1", "--frames=8", "--height=48"],
    "monitors": STEP,
    "pipeline_memory": ["--clips=2", "--batch_size=1"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with records, a small recipe, and a step from elsewhere that prints the row of the page."""
    home = tmp_path_factory.mktemp("home")
    tiny_run.write_recipe(home, tiny_run.write_records(home / "records", clips=2))
    clips.write_clips(home / "clips", 2, num_frames=8, height=48, width=64)
    row = json.loads(re.search(r'`(\{"precision".*?\})`', TEXT)[1])
    (home / "reference_step.py").write_text(f"print({json.dumps(json.dumps({'rows': [row]}))})\n")
    return home


def test_no_command_is_overlooked():
    assert len(FOUND) == TEXT.count("python -m bench") > 12


@pytest.mark.parametrize("command", some_long(COMMANDS, COMMANDS[::4]))
def test_command(command, home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    monkeypatch.setenv("PATH", str(pathlib.Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(config.RECIPE_DIR.parent))
    name, *flags = shlex.split(command.partition("bench")[2]) or [None]
    if name is None:
        assert bench.main([]) == 0
        assert set(SMALL) <= set(capsys.readouterr().out.split())
        return
    if name == "NAME":
        with pytest.raises(SystemExit, match="0"):
            bench.main(["limits", *flags])
        return
    small = [flag for flag in SMALL[name] if flag not in flags]
    if command.startswith("python"):
        assert bench.main([name, *flags, *small]) == 0
        output = capsys.readouterr().out
    else:
        # What stands before the command is read when TensorFlow starts. Older CPUs have oneDNN off.
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
        words = f"{command} {shlex.join(small)}"
        done = subprocess.run(words, shell=True, capture_output=True, text=True, check=True)
        output = done.stdout
        assert re.search(r"onednn_verbose.*,exec,cpu,convolution", output)
    result = json.loads(output.splitlines()[-1])
    assert result["name"] == name and result["rows"]
    if "--xla=on" in flags:
        assert {row["xla"] for row in result["rows"]} == {"on"}
    if "--baseline" in command:
        (row,) = result["rows"]
        assert row["figure"] == "s" and row["baseline"] == 5.9
