"""The scripts datasets/<name>/prepare.py."""

from __future__ import annotations

import importlib.util
import pathlib
import runpy
import sys
from collections.abc import Iterable
from types import ModuleType, SimpleNamespace
from unittest import mock

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
    return run_file(DATASETS / name / "prepare.py", *arguments)


def run_file(path: pathlib.Path, *arguments: str) -> int:
    """Runs a script inside the test's process; returns the exit code."""
    script = SimpleNamespace(
        __name__=str(path), console_main=lambda: runpy.run_path(str(path), run_name="__main__")
    )
    with mock.patch.object(sys, "path", [str(path.parent), *sys.path]):
        return command.run(script, *arguments)


def write(root: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    """Writes text files below `root`, which it returns."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def listing(clips: Iterable) -> list[tuple]:
    """Returns path, labels, split, window and whether the file is there, of each clip."""
    return [(c.path, c.labels, c.split, c.start, c.end, c.size is not None) for c in clips]
