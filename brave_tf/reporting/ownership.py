"""Which results are those of the model that is in a folder: it may have held another one before."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from brave_tf.interop import saved_model
from brave_tf.storage.digests import digest_of_weights
from brave_tf.training.resumption import run_id


class Model:
    """The run or the exported model that is in a folder.

    Args:
      folder: its path.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._run = run_id(folder)

    def owns(self, entry: Mapping[str, Any], beside: bool) -> bool:
        """Whether a result is of the model.

        By the id of the run, or the weights of an export; where neither is known, by the path, or by its last
        name where the path is not there any more, as in a copy of the folders.

        Args:
          entry: of `results.json`.
          beside: whether that lies in no folder of the model's own, but may hold results of several.
        """
        identity = entry.get("identity")
        name = pathlib.Path(entry["model"])
        same_name = not beside or name.name == self._folder.resolve().name
        if not identity:
            return same_name
        elsewhere = os.path.exists(name) and not os.path.samefile(name, self._folder)
        # Of a model and its copy beside each other, each has the results that name it.
        siblings = elsewhere and os.path.samefile(
            name.resolve().parent, self._folder.resolve().parent
        )
        if identity["run"] and self._run:
            return identity["run"] == self._run and not (beside and siblings)
        weights = None if entry["baseline"] else self._weights(entry["view"])
        if weights:
            return identity["weights"] == weights and not (beside and siblings)
        return same_name and not elsewhere

    @functools.cache  # noqa: B019 (there are few, for one report)
    def _weights(self, view: str) -> str | None:
        """The hash of the weights of an export."""
        found = saved_model.stored_weights(str(self._folder), view)
        return digest_of_weights(found) if found else None
