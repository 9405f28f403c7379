"""Every module of the commands runs as a program."""

import pathlib
import subprocess
import sys

import pytest
from page_commands import COMMANDS, module_of

from brave_tf import cli

MODULES = {f"brave_tf.cli.{path.stem}" for path in pathlib.Path(cli.__path__[0]).glob("[a-z]*.py")}
OF_COMMANDS = {module_of(f"brave_tf_{name}").__name__: name for name in COMMANDS}


def python(*arguments):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("module", sorted(OF_COMMANDS))
def test_a_module_is_its_command(module):
    shown = python(module, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"brave_tf_{OF_COMMANDS[module]}: ")
    assert "Flags:\n  --" in shown.stdout
    refused = python(module, "--no_such_flag=1")
    assert refused.returncode == 2
    assert "no_such_flag" in refused.stderr


@pytest.mark.parametrize(
    "module", sorted({"brave_tf", "brave_tf.cli", *(MODULES - {*OF_COMMANDS})})
)
def test_what_is_no_command_lists_them(module):
    shown = python(module)
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("brave_tf_")] == [
        f"brave_tf_{name}" for name in COMMANDS
    ]
    assert len({line.index(line.split()[1]) for line in lines[: len(COMMANDS)]}) == 1


def test_a_command_runs_by_its_name():
    installed = python("brave_tf.cli.train", "--list")
    assert "as_v_fa" in installed.stdout
    for name in ("train", "brave_tf_train"):
        assert python("brave_tf", name, "--list").stdout == installed.stdout
    refused = python("brave_tf", "tarin", "--list")
    assert refused.returncode == 2
    assert "Did you mean train?" in refused.stderr
