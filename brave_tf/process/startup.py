"""What is done before TensorFlow is used, or parts of it: imports and settings of the whole process."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
from collections.abc import Iterator
from concurrent import futures

# More calls than that are not compiled by XLA at the same time.
_STREAMS = min(4 * (os.cpu_count() or 1), 64)
# Of malloc.h. The largest values that glibc accepts.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MALLOC = {_M_MMAP_THRESHOLD: 32 << 20, _M_TRIM_THRESHOLD: (2 << 30) - 1, _M_TOP_PAD: 64 << 20}


def import_tensorflow() -> None:
    """Imports TensorFlow without the errors about GPU libraries that it prints where there is no GPU.

    They are printed before the level of its log is read, so nothing but a closed stderr stops them. Errors of
    the import itself are exceptions, and are seen.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    with _without_stderr():
        import tensorflow  # noqa: F401


@functools.cache
def make_xla_streams() -> None:
    """Has XLA make the streams that it runs on the CPU in, without the line that it prints for each.

    The lines say "E ... SetPriority unimplemented for this stream", and nothing is wrong. There are as many
    streams as calls at the same time, and they last.
    """
    import tensorflow as tf

    with _without_stderr(), tf.init_scope(), tf.device("CPU"):
        multiply = tf.function(lambda value: value @ value, jit_compile=True)
        value = tf.zeros((512, 512))
        multiply(value)
        with futures.ThreadPoolExecutor(_STREAMS) as pool:
            list(pool.map(multiply, [value] * 2 * _STREAMS))


def keep_freed_memory() -> None:
    """Has glibc keep the memory that is freed; elsewhere does nothing.

    Clips are made in tensors of megabytes. Handed back to the system each time, and cleared by it when they
    are asked for again, they cost a quarter of the work of an input pipeline.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOC.items():
            libc.mallopt(parameter, value)


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    stderr = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
