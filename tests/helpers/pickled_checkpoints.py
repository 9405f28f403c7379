"""Files in the format of published checkpoints: whole ones, and with other things pickled in their place."""

from __future__ import annotations

import pickle
import struct

import numpy as np

HEADER = np.lib.format.magic(1, 0) + struct.pack("<H", 118)
HEADER += b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"


def content(**changes):
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(3, np.float32)}
    state = {"average": np.ones((1, 3), np.float32), "counter": np.int32(7)}
    return {"params": {"a/b": arrays}, "state": {"a/~/ema": state}, "config": {"n": 2}, **changes}


def write(path, value, protocol=3):
    """Writes what is pickled in place of a checkpoint."""
    array = np.empty((), object)
    array[()] = value
    path.write_bytes(HEADER + pickle.dumps(array, protocol))
    return str(path)


def raw(tmp_path, pickled):
    path = tmp_path / "a.npy"
    path.write_bytes(HEADER + pickled)
    return str(path)
