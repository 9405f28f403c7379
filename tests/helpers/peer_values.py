"""Reads the reference values of other objectives: npz files, and the module that makes their inputs."""

from __future__ import annotations

import functools
import importlib.util
import json
import pathlib
from types import ModuleType
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """A case: what is known by key, what goes in by name, and its constants."""

    arrays: np.lib.npyio.NpzFile
    inputs: dict[str, np.ndarray]
    constants: dict


def arrays(shared_dir: pathlib.Path, name: str) -> np.lib.npyio.NpzFile:
    """The arrays of `<name>.npz`."""
    return np.load(shared_dir / "golden_peers" / f"{name}.npz")


def case(shared_dir: pathlib.Path, name: str, key: str) -> Case:
    """A case of `<name>.npz`."""
    values = arrays(shared_dir, name)
    found = json.loads(str(values["__cases__"]))[key]
    return Case(values, _inputs(shared_dir).build(found), found["constants"])


@functools.lru_cache
def _inputs(shared_dir: pathlib.Path) -> ModuleType:
    path = shared_dir / "golden_peers" / "peer_inputs.py"
    spec = importlib.util.spec_from_file_location("peer_inputs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
