"""Reads the folder of the peers' reference values, and backbones that take gradients of given features."""

from __future__ import annotations

import functools
import importlib.util
import json
import pathlib
import types
from collections.abc import Mapping
from types import ModuleType

import numpy as np
import tensorflow as tf

# Relative to the largest expected value, or 1.
VALUES, GRADIENTS = 1e-5, 1e-4


@functools.lru_cache
def _inputs(folder: pathlib.Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("peer_inputs", folder / "peer_inputs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Golden:
    """The file of one peer; `used` are the keys that were compared.

    Args:
      shared_dir: the folder that BRAVE_TF_SHARED names.
      peer: name of the file.
    """

    def __init__(self, shared_dir: pathlib.Path, peer: str):
        self._folder = shared_dir / "golden_peers"
        self.arrays = np.load(self._folder / f"{peer}.npz")
        self.cases = json.loads(str(self.arrays["__cases__"]))
        self.used: set[str] = set()

    def case(self, name: str) -> tuple[dict[str, np.ndarray], dict]:
        """The inputs of a case, and its constants."""
        case = self.cases[name]
        return _inputs(self._folder).build(case), case["constants"]

    def check(self, key: str, got: object, tolerance: float = VALUES) -> None:
        """Compares with the value under a key."""
        expected, got = self.arrays[key], np.asarray(got)
        assert got.shape == expected.shape, (key, got.shape, expected.shape)
        largest = max(1.0, np.abs(expected).max())
        difference = np.abs(got.astype("f8") - expected).max() / largest
        assert difference < tolerance, (key, difference)
        self.used.add(key)

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin so; there are some."""
        found = [key for key in self.arrays.files if key.startswith(prefix)]
        assert found, prefix
        return found

    def read(self, key: str) -> np.ndarray:
        """What stands under a key that others are of, such as the steps of rates; it counts as compared."""
        self.used.add(key)
        return self.arrays[key]

    def check_exactly(self, key: str, got: object) -> None:
        """Compares indices and counts with those under a key."""
        np.testing.assert_array_equal(got, self.arrays[key], err_msg=key)
        self.used.add(key)

    def check_parameters(self, key: str, model: tf.keras.Model, classes: int = 0) -> None:
        """Compares the number of trainable weights of a model, and of a linear classifier of its features."""
        found = sum(weight.shape.num_elements() for weight in model.trainable_weights)
        self.check_exactly(key, found + classes * (model.output_shape[-1] + 1))

    def check_all_used(
        self, *elsewhere: str, exceptions: Mapping[str, str] = types.MappingProxyType({})
    ) -> None:
        """Makes sure that every key was compared, or is listed, and that what is listed is there.

        Args:
          *elsewhere: what keys begin with that other tests are of.
          exceptions: keys that are not compared -> why.
        """
        keys = set(self.arrays.files) - {"__cases__"}
        left = {key for key in keys - self.used if not key.startswith(elsewhere)}
        left -= set(exceptions)
        assert not left, f"neither compared nor listed: {sorted(left)}"
        unknown = [each for each in elsewhere if not any(key.startswith(each) for key in keys)]
        assert not unknown, unknown
        assert set(exceptions) <= keys - self.used, "listed, but compared or not there"
        assert all(exceptions.values())


def feature_table(features: np.ndarray, name: str) -> tf.keras.Model:
    """A backbone from rows of an identity matrix to given features (N, D), which are its one weight.

    What a step changes of it is the gradient of the features.
    """
    layer = tf.keras.layers.Dense(features.shape[1], use_bias=False, name=f"{name}_table")
    clip = tf.keras.Input((features.shape[0],))
    model = tf.keras.Model(clip, layer(clip), name=name)
    model.set_weights([features])
    return model
