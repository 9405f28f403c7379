"""What commands on a page name: flags, files, tasks and bindings, without running them."""

from __future__ import annotations

import functools
import importlib
import io
import pathlib
import re
import shlex
from contextlib import redirect_stdout
from types import ModuleType

import command
import dataset_script

from bench import __main__ as bench
from brave_tf import config
from brave_tf.data.public import official_splits
from brave_tf.evaluation.tasks import registry

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMANDS = sorted(
    re.findall(r"^ +brave_tf_(\w+) = ", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
)
PROGRAMS = ("python", "brave_tf_")
# Of the commands of the shell that stand before or around one.
_AROUND = re.compile(r"^(?:until |[A-Z_]+=\S+ )*|(?:;.*| [<>|] .*)$")


def shell(text: str) -> list[list[str]]:
    """Returns the words of the commands of this project in the shell blocks of a page, indented ones too."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    blocks += re.findall(r"(?:^ {4}(?:python|brave_tf_).*\n(?: {8}.*\n)*)+", text, re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [shlex.split(_AROUND.sub("", line.strip()), comments=True) for line in lines]
    return [words for words in found if words and words[0].startswith(PROGRAMS)]


def module_of(program: str) -> ModuleType:
    """Returns the module of a console command by its name."""
    name = program.removeprefix("brave_tf_")
    module = {"import": "import_checkpoint"}.get(name, name)
    return importlib.import_module(f"brave_tf.cli.{module}")


def check(words: list[str], written: set[str]) -> None:
    """Asserts that what a command names exists.

    Args:
      words: of the command.
      written: names of the files that the page writes.
    """
    if words[:2] == ["python", "-m"] and words[2] == official_splits.__name__:
        assert len(words) == 4
        return
    if words[0] == "python" and words[1] in written:
        return
    given = {word.lstrip("-").partition("=")[0] for word in words[1:] if word.startswith("--")}
    assert given <= flags(*words[:4] if words[0] == "python" else words[:1]), words
    for tasks in _values(words, "task"):
        assert set(tasks.split(",")) <= set(registry.list_tasks()), words
    files = [file for file in _values(words, "gin_file") if file not in written]
    bindings = _values(words, "gin_bindings")
    importlib.import_module("brave_tf.training.run")  # what recipes configure
    if files:
        config.load_config(
            [str(ROOT / file) if (ROOT / file).is_file() else file for file in files], bindings
        )


@functools.cache
def flags(program: str, *arguments: str) -> set[str]:
    """Returns the names of the flags that a program's help lists."""
    output = io.StringIO()
    with redirect_stdout(output):
        if program.startswith("brave_tf_"):
            assert command.run(module_of(program), "--help") == 0
        elif arguments[:2] == ("-m", "bench"):
            _bench_help(arguments[2])
        else:
            path = ROOT / arguments[0]
            assert path.is_file(), path
            assert dataset_script.run_file(path, "--help") == 0
    return set(re.findall(r"--(?:\[no\])?(\w+)", output.getvalue()))


def _bench_help(name: str) -> None:
    try:
        bench.main([name, "--help"])
    except SystemExit as end:
        assert end.code == 0


def _values(words: list[str], flag: str) -> list[str]:
    return [word.partition("=")[2] for word in words if word.partition("=")[0] == f"--{flag}"]
