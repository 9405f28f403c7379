"""Reads and writes checkpoint files of DeepMind's BraVe code.

A file is what `numpy.save` makes of a dict with `params`, `state` and `config`: a pickle. Unpickling
can run any code that a file asks for, so files from elsewhere are read by an unpickler that knows numbers,
text, plain containers and numpy arrays, and builds the arrays itself: not one function that a file
names is called.
"""

from __future__ import annotations

import dataclasses
import math
import pickle
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from brave_tf.errors import ArgumentError, UserError
from brave_tf.storage import files

Arrays = Mapping[str, Mapping[str, np.ndarray]]

_DTYPE = re.compile(r"[<>|=]?([biuf][1248]|[?])")
_RESAVE = (
    "save it again as a dict of dicts of numpy arrays, numpy.save(FILE, {'params': ..., 'state': ..., "
    "'config': ...}), where you trust it."
)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The contents of a checkpoint file.

    Attributes:
      params: parameters, module path -> name -> array.
      state: statistics of batch normalisation, module path -> name -> array.
      config: settings of the released code's model; {} when the file has none.
    """

    params: Arrays
    state: Arrays
    config: Mapping[str, Any]


def read(path: str) -> Checkpoint:
    """Reads a checkpoint, running nothing that it may hold.

    Raises:
      UserError: no such file, or one that is not a checkpoint, is damaged, or holds anything but
        numbers, text, plain containers and numpy arrays.
    """
    files.check_ends(path)
    try:
        with open(path, "rb") as file:
            return _checkpoint(_unpickle(file, path), path)
    except UserError:
        raise
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # A damaged pickle can end in any exception.
        problem = f"damaged: {type(error).__name__}: {str(error)[:200]}. Get it again."
        raise _refused(path, problem) from error


def write(path: str, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint that `numpy.load(path, allow_pickle=True).item()` reads.

    Raises:
      UserError: `path` cannot be written.
    """
    content = {
        "params": {module: dict(arrays) for module, arrays in checkpoint.params.items()},
        "state": {module: dict(arrays) for module, arrays in checkpoint.state.items()},
        "config": dict(checkpoint.config),
    }
    try:
        with files.replacing(path) as aside, open(aside, "wb") as file:
            np.save(file, np.array(content, dtype=object), allow_pickle=True)
    except OSError as error:
        raise UserError(f"{path} could not be written: {error}.") from error


def _unpickle(file, path):
    magic = file.read(6)
    file.seek(0)
    if magic != b"\x93NUMPY":
        raise _refused(
            path,
            "no checkpoint: it does not begin as a .npy file does. Give the .npy file of a published "
            "model, or one that brave_tf_export wrote.",
        )
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read_header:
        raise _refused(path, f"version {version} of the .npy format: {_RESAVE}")
    shape, _, dtype = read_header[version](file)
    if shape != () or dtype != np.dtype(object):
        raise _refused(
            path,
            f"no checkpoint: it holds an array of {dtype} of shape {shape}, not a dict with params, state "
            "and config.",
        )
    content = _Unpickler(file, path).load()
    if isinstance(content, _Array) and content.objects is not None and len(content.objects) == 1:
        return content.objects[0]
    return content


def _checkpoint(content, path):
    if not isinstance(content, dict) or not {"params", "state"} <= set(content):
        raise _refused(
            path,
            "no checkpoint: expected a dict with params, state and config, found "
            f"{_kind(content)}.",
        )
    config = content.get("config")
    if config is not None and not isinstance(config, dict):
        raise _refused(path, f"config is {_kind(config)}, expected a dict.")
    params, state = (_arrays(content[name], name, path) for name in ("params", "state"))
    return Checkpoint(params, state, config or {})


def _arrays(modules, collection, path):
    result = {}
    for module, arrays in _items(modules, collection, path):
        result[module] = {}
        for name, value in _items(arrays, f"{collection} {module}", path):
            if not isinstance(value, (_Array, np.generic)):
                raise _refused(
                    path,
                    f"{collection} {module}/{name} is {_kind(value)}, expected a numpy array: {_RESAVE}",
                )
            result[module][name] = value.numbers() if isinstance(value, _Array) else np.array(value)
    return result


def _items(mapping, name, path):
    if not isinstance(mapping, dict) or not all(isinstance(key, str) for key in mapping):
        raise _refused(path, f"{name} is {_kind(mapping)}, expected a dict with names as keys.")
    return mapping.items()


def _refused(path, problem):
    return ArgumentError("checkpoint", path, problem)


def _kind(value):
    if isinstance(value, dict):
        keys = sorted(key for key in value if isinstance(key, str))
        return f"a dict with the keys {', '.join(keys[:10]) or 'none'}"[:300]
    return "an array" if isinstance(value, _Array) else f"a {type(value).__name__}"


class _Unpickler(pickle.Unpickler):
    """Gives stand-ins for what numpy's arrays are pickled as, and refuses every other name."""

    def __init__(self, file, path):
        super().__init__(file)
        self._path = path

    def find_class(self, module, name):
        known = {
            "numpy.ndarray": _Array,
            "numpy.dtype": _Dtype,
            "collections.OrderedDict": dict,
        }
        for core in ("core", "_core"):
            known[f"numpy.{core}.multiarray._reconstruct"] = _reconstruct
            known[f"numpy.{core}.multiarray.scalar"] = _scalar
        if f"{module}.{name}" in known:
            return known[f"{module}.{name}"]
        raise _refused(
            self._path,
            f"refused: it asks for {module}.{name}, and a file that asks for more than numpy arrays and "
            f"plain containers can run code. If you know it to be good, {_RESAVE}",
        )

    def persistent_load(self, pid):
        raise _refused(self._path, "refused: it refers to objects outside of it.")


class _Dtype:
    """Stands in for `numpy.dtype`: numbers and, for the array around everything, objects."""

    def __init__(self, name, align=False, copy=False):
        del align, copy
        if name not in ("O", "O8") and not (isinstance(name, str) and _DTYPE.fullmatch(name)):
            raise ValueError("an array of something else than numbers")
        self.name = name
        self.order = "="

    def __setstate__(self, state):
        order, *structure = state[1:5]
        if structure != [None, None, None] or order not in ("<", ">", "|", "="):
            raise ValueError("an array of structures")
        self.order = order

    @property
    def is_object(self):
        return self.name.startswith("O")

    def numpy(self):
        if self.is_object:
            raise ValueError("an array of objects where numbers were expected")
        dtype = np.dtype(self.name)
        return dtype if self.order == "=" else dtype.newbyteorder(self.order)


class _Array:
    """Stands in for `numpy.ndarray`; `objects` are the contents of an array of objects."""

    def __init__(self):
        self.objects = None
        self._values = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, content = state
        if not isinstance(dtype, _Dtype) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("an array without type or shape")
        count = math.prod(shape)
        if dtype.is_object:
            if not isinstance(content, list) or len(content) != count:
                raise ValueError("an array of objects without its objects")
            self.objects = content
            return
        kind = dtype.numpy()
        if not isinstance(content, bytes) or len(content) != count * kind.itemsize:
            raise ValueError(f"an array of shape {shape} with the bytes of another")
        values = np.frombuffer(content, kind).reshape(shape, order="F" if fortran else "C")
        self._values = values.astype(kind.newbyteorder("="), copy=False)

    def numbers(self):
        if self._values is None:
            raise ValueError("an array without numbers")
        return self._values


def _reconstruct(subtype, shape, kind):
    del shape, kind
    if subtype is not _Array:
        raise ValueError("an array of another class than numpy.ndarray")
    return _Array()


def _scalar(dtype, content=b""):
    return np.frombuffer(content, dtype.numpy(), count=1)[0]
