"""Does what a page of the documentation says, in small."""

from __future__ import annotations

import importlib
import pathlib
import re
import runpy
import shlex
import subprocess
import sys

import command
import pytest

TINY = "--gin_file=gin/overlays/tiny.gin"
# What makes the work of a command small.
SMALL = {
    "prepare": ["--workers=1"],
    "train": [TINY, "--gin_bindings=STEPS = 2"],
    "eval": [
        "--gin_bindings=eval_windows.train_passes = 1",
        "--gin_bindings=eval_windows.temporal_crops = 1",
        "--gin_bindings=eval_windows.spatial_crops = 1",
    ],
}
SMALL_WINDOWS = [
    "--gin_bindings=eval_windows.num_frames = 4",
    "--gin_bindings=eval_windows.size = 64",
]
FILES = ("mkdir", "cp")


def blocks(page: pathlib.Path) -> list[tuple[str, str]]:
    """Returns the language and the text of each block of a page."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """Returns the words of each command of a shell block."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def follow(page: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes the files, and runs the snippets and commands, of a page in the current folder.

    A block that begins with a comment that is the name of a file is that file. `make`, which sets up a
    checkout, and `tensorboard`, which does not end, are left out.
    """
    for language, text in blocks(page):
        name = re.match(r"# ([\w.]+\.(?:py|gin))\n", text)
        if name:
            pathlib.Path(name[1]).write_text(text)
        elif language == "python":
            exec(compile(text, str(page), "exec"), {"__name__": "snippet"})
        elif language == "sh":
            for words in commands(text):
                _run(words, monkeypatch)


def _run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program, *arguments = words
    name, _, value = (arguments[0] if program == "export" else program).partition("=")
    if name == "PYTHONPATH":
        monkeypatch.syspath_prepend(value)
        if program != "export":
            _run(arguments, monkeypatch)
    elif program == "echo":
        text, sign, name = arguments
        assert sign == ">"
        pathlib.Path(name).write_text(f"{text}\n")
    elif program.startswith("brave_tf_"):
        name = program.removeprefix("brave_tf_")
        module = {"import": "import_checkpoint"}.get(name, name)
        small = SMALL.get(name, [])
        if name == "inspect" and arguments[0].startswith("--gin_file"):
            small = [TINY]
        if name == "eval" and "_audio" not in "".join(arguments):
            small = [*small, *SMALL_WINDOWS]
        if "--list" in arguments:
            small = []
        code = command.run(importlib.import_module(f"brave_tf.cli.{module}"), *arguments, *small)
        assert code == 0, shlex.join(words)
    elif program == "python" and arguments[0] != "-m":
        monkeypatch.setattr(sys, "argv", arguments)
        runpy.run_path(arguments[0], run_name="__main__")
    elif program in FILES:
        subprocess.run(words, check=True)
    else:
        assert program in ("make", "tensorboard", "source"), shlex.join(words)
