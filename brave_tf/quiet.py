"""Starts TensorFlow and XLA without noise, and with memory that is kept."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
from collections.abc import Iterator
from concurrent import futures

# Of malloc.h. The largest values that glibc accepts.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
# More calls than that are not compiled by XLA at the same time.
_STREAMS = min(4 * (os.cpu_count() or 1), 64)
_MALLOC = {_M_MMAP_THRESHOLD: 32 << 20, _M_TRIM_THRESHOLD: (2 << 30) - 1, _M_TOP_PAD: 64 << 20}


def load_tensorflow() -> None:
    """Imports TensorFlow without the errors that it logs about GPU libraries where there is no GPU."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    _keep_memory()
    with _no_stderr():
        import tensorflow  # noqa: F401


@functools.cache
def start_xla() -> None:
    """Has XLA run on the CPU without what it logs then: lines that look like errors, and are none.

    There is one for each stream that it makes, and it makes as many as there are calls at the same time.
    """
    import tensorflow as tf

    with _no_stderr(), tf.init_scope(), tf.device("CPU"):
        multiply = tf.function(lambda value: value @ value, jit_compile=True)
        value = tf.zeros((512, 512))
        multiply(value)
        with futures.ThreadPoolExecutor(_STREAMS) as pool:
            list(pool.map(multiply, [value] * 2 * _STREAMS))


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
