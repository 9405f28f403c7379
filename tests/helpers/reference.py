"""Reads the folder of reference values: its npz files and its recipe module."""

from __future__ import annotations

import functools
import importlib.util
import json
import pathlib
from types import ModuleType

import numpy as np


@functools.lru_cache
def recipe(golden_dir: pathlib.Path) -> ModuleType:
    """The module `golden_params.py`, which makes parameters and inputs from names and seeds."""
    spec = importlib.util.spec_from_file_location("golden_params", golden_dir / "golden_params.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def values(golden_dir: pathlib.Path, name: str) -> tuple[np.lib.npyio.NpzFile, dict]:
    """The arrays of `<name>.npz`, and the inputs of its cases."""
    arrays = np.load(golden_dir / f"{name}.npz")
    return arrays, json.loads(str(arrays["__cases__"]))


def error(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to the largest expected value."""
    return float(np.max(np.abs(got - expected)) / np.max(np.abs(expected)))
