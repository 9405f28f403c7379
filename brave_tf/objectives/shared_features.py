"""Features that several objectives on the same batch and backbones compute once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Callable

import tensorflow as tf

# Replicas run in threads of their own.
_thread = threading.local()


@contextlib.contextmanager
def computed_once() -> Iterator[None]:
    """Inside, the features of a view by a backbone are those of the first who asked; for one batch."""
    outer = getattr(_thread, "found", None)
    _thread.found = {} if outer is None else outer
    try:
        yield
    finally:
        _thread.found = outer


def features_of(view: str, backbone: tf.keras.Model, compute: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Returns the (B, D) features, computed if they are not there yet."""
    found = getattr(_thread, "found", None)
    if found is None:
        return compute()
    key = view, id(backbone)
    if key not in found:
        found[key] = compute()
    return found[key]
