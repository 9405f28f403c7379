"""Starts TensorFlow without noise."""

from __future__ import annotations

import os


def load_tensorflow() -> None:
    """Imports TensorFlow without the errors that it logs about GPU libraries where there is no GPU."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    stderr = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
