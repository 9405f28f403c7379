"""The table of the clips of a split, by which an objective keeps something for each of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Any, Callable

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class ClipRows:
    """The clips of a split that are trained on, in a fixed order: row 0 is the first, `count` - 1 the last.

    Which row a clip has depends on what the split holds alone: not on shuffling, on the number of readers,
    processes or workers, or on where it is stored.

    Attributes:
      count: how many clips have a row: those that have what the views need and are not held out, with those
        that turn out to be damaged.
      digest: a hash of what is in the rows; it is another when one of them has another clip.
      of: item of a stream of the split -> () int64, its row. It runs in a graph.
    """

    count: int
    digest: str
    of: Callable[[Any], tf.Tensor]

    @property
    def identity(self) -> dict[str, int | str]:
        """What a checkpoint keeps of them: count and digest."""
        return {"count": self.count, "digest": self.digest}


def row_table(size: int, places: np.ndarray) -> np.ndarray:
    """Numbers places in their order: (size,) int64, of the others -1."""
    table = np.full(max(1, size), -1, np.int64)
    table[places] = np.arange(len(places))
    return table


def digest_of(rows: Iterable[bytes]) -> str:
    """Returns a hash of texts and of where each of them ends."""
    total = hashlib.sha256()
    for row in rows:
        total.update(len(row).to_bytes(8, "little") + row)
    return total.hexdigest()
