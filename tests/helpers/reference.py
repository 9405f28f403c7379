"""Reads the folder of reference values: its npz files and its recipe module."""

from __future__ import annotations

import functools
import importlib.util
import json
import pathlib
from collections.abc import Mapping
from types import ModuleType

import numpy as np

from brave_tf.interop.deepmind.haiku_file import Checkpoint


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


def noise(arrays: np.lib.npyio.NpzFile) -> dict[str, float]:
    """Rounding noise of the float32 reference by field, relative to the largest value."""
    return json.loads(str(arrays["__noise__"]))


def model_input(golden_dir: pathlib.Path, made: dict) -> np.ndarray:
    """The input that a case describes by recipe, seed and shape."""
    functions = {
        "video": "video_input",
        "moving": "moving_video_input",
        "audio": "audio_input",
        "features": "features_input",
    }
    return getattr(recipe(golden_dir), functions[made["recipe"]])(made["seed"], made["shape"])


def make_checkpoint(golden_dir: pathlib.Path, spec: str, *modules: str) -> Checkpoint:
    """A checkpoint with the reference's parameters, of some top-level modules or of all."""
    file = str(golden_dir / f"spec_{spec}.json")
    return Checkpoint(**recipe(golden_dir).make_checkpoint(file, list(modules) or None))


def error(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to the largest expected value."""
    return float(np.max(np.abs(got - expected)) / np.max(np.abs(expected)))


def assert_state_agrees(
    arrays: np.lib.npyio.NpzFile, key: str, state: Mapping, recipe_module: ModuleType, rtol: float
) -> None:
    """Compares statistics of batch normalisation with the float64 summary under `key`.

    Args:
      arrays: of a file of reference values.
      key: such as `narrow/A/state_after/fresh_state`.
      state: module path -> array name -> array.
      recipe_module: the module that makes probe vectors.
      rtol: of the largest value of each field.
    """
    paths = [str(path) for path in arrays[f"{key}/paths"]]
    assert set(paths) == set(state)

    def each(name, function):
        return np.stack([function(path, np.asarray(state[path][name], "f8")) for path in paths])

    def probed(path, value):
        return np.sum(value * recipe_module.probe(path, value.shape))

    got = {
        "average_first8": each("average", lambda _, value: value.ravel()[:8]),
        "hidden_first8": each("hidden", lambda _, value: value.ravel()[:8]),
        "average_l2": each("average", lambda _, value: np.linalg.norm(value)),
        "average_probe": each("average", probed),
    }
    for name, values in got.items():
        assert error(values, arrays[f"{key}/{name}_f64"]) < rtol, (key, name)
    counters = each("counter", lambda _, value: value)
    np.testing.assert_array_equal(counters, arrays[f"{key}/counter"])
