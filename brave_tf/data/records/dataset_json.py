"""Reads dataset.json and labels.txt, which say what is in a folder of clip records."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import tensorflow as tf

from brave_tf import modality_registry as modalities
from brave_tf.data.records.shard_reader import MOST_RECORDS
from brave_tf.data.records.splits import Shard, Split
from brave_tf.errors import UserError
from brave_tf.storage import json_values
from brave_tf.storage.json_values import MappingOf, Optional, count, file_name, number, text


def _records(value: Any) -> None:
    count(value)
    if value > MOST_RECORDS:
        raise ValueError(f"at most {MOST_RECORDS:,} records in a shard")


def _rate(value: Any) -> None:
    number(value)
    if not 0 < value < math.inf:
        raise ValueError("a rate above 0")


def _expected() -> dict[str, Any]:
    """Returns what dataset.json is to hold, by `json_values.check`."""
    shard = {
        "file": file_name,
        "clips": _records,
        "bytes": Optional(count),
        "sha256": Optional(text),
    }
    split = {
        "shards": [shard],
        "clips": count,
        **{f"with_{modality}": Optional(count) for modality in modalities.names()},
        "labels": Optional(MappingOf(count)),
        "seconds": Optional(number),
    }
    settings = {"audio": Optional(text), "fps": Optional(_rate), "sample_rate": Optional(_rate)}
    return {"splits": MappingOf(split), "settings": Optional(settings)}


def read_lines(path: str) -> list[str]:
    """Returns the lines of a text; bytes that are no UTF-8 are as Python has them in names of files."""
    return _content(path).decode("utf-8", "surrogateescape").splitlines()


def read(path: str) -> tuple[dict[str, Split], dict[str, Any]]:
    """Reads dataset.json, as `brave_tf_prepare` writes it.

    Returns:
      The splits by name, whose shards are in its folder, and the settings.

    Raises:
      UserError: it is damaged, or names shards elsewhere.
    """
    folder = os.path.dirname(path)
    try:
        description = json.loads(_content(path))
        json_values.check(description, _expected())
        splits = {
            name: Split(
                name=name,
                shards=tuple(
                    Shard(
                        os.path.join(folder, shard["file"]),
                        shard["clips"],
                        shard.get("bytes"),
                        shard.get("sha256") or None,
                    )
                    for shard in split["shards"]
                ),
                clips=split["clips"],
                with_modality={
                    modality: split[f"with_{modality}"]
                    for modality in modalities.names()
                    if split.get(f"with_{modality}") is not None
                },
                labels=split.get("labels") or {},
                seconds=split.get("seconds") or 0.0,
            )
            for name, split in description["splits"].items()
        }
        return splits, dict(description.get("settings") or {})
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged ({error}): prepare the clips again, or remove the file to read the "
            "shards without their counts."
        ) from error


def _content(path: str) -> bytes:
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()
