"""The scripts datasets/<name>/prepare.py."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import runpy
import shlex
from collections.abc import Iterable
from types import ModuleType, SimpleNamespace

import command

DATASETS = pathlib.Path(__file__).resolve().parents[2] / "datasets"


def load(name: str) -> ModuleType:
    """Returns the script as a module, which is not run."""
    spec = importlib.util.spec_from_file_location(f"prepare_{name}", DATASETS / name / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, *arguments: str) -> int:
    """Runs the script inside the test's process; returns the exit code."""
    path = str(DATASETS / name / "prepare.py")
    script = SimpleNamespace(
        __name__=path, console_main=lambda: runpy.run_path(path, run_name="__main__")
    )
    return command.run(script, *arguments)


def readme_commands(name: str) -> list[list[str]]:
    """Returns the words of each command in the shell blocks of datasets/<name>/README.md."""
    text = (DATASETS / name / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


def write(root: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    """Writes text files below `root`, which it returns."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def listing(clips: Iterable) -> list[tuple]:
    """Returns path, labels, split, window and whether the file is there, of each clip."""
    return [(c.path, c.labels, c.split, c.start, c.end, c.size is not None) for c in clips]
