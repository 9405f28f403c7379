"""Hashes that tell whether weights, texts or files are still the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence

import numpy as np


def digest_of_weights(weights: Iterable[np.ndarray]) -> str:
    """Returns a hash of the values of `weights`."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(repr((weight.shape, weight.dtype)).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def digest_of_texts(*texts: str) -> str:
    """Returns a hash of texts."""
    return hashlib.sha256(repr(texts).encode()).hexdigest()


def digest_of_files(paths: Sequence[str]) -> str:
    """Returns a hash of the names, sizes and times of change of files."""
    stats = [(path, os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(stats).encode()).hexdigest()
