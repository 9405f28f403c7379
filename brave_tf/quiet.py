"""Starts TensorFlow and XLA without noise, and with memory that is kept."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
from collections.abc import Iterator

# Of malloc.h. The largest values that glibc accepts.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MALLOC = {_M_MMAP_THRESHOLD: 32 << 20, _M_TRIM_THRESHOLD: (2 << 30) - 1, _M_TOP_PAD: 64 << 20}


def load_tensorflow() -> None:
    """Imports TensorFlow without the errors that it logs about GPU libraries where there is no GPU."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    _keep_memory()
    with _no_stderr():
        import tensorflow  # noqa: F401


@functools.cache
def start_xla() -> None:
    """Has XLA run once on the CPU without what it logs then: lines that look like errors, and are none."""
    import tensorflow as tf

    with _no_stderr(), tf.init_scope(), tf.device("CPU"):
        tf.function(lambda value: value + 1.0, jit_compile=True)(tf.zeros(()))


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    stderr = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _keep_memory() -> None:
    """Has glibc keep what is freed.

    Clips are made in tensors of megabytes. Handed back to the system each time, and cleared by it when they
    are asked for again, they cost a quarter of the work of an input pipeline.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOC.items():
            libc.mallopt(parameter, value)
