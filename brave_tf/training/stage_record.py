"""What the folder of a recipe of several stages says of them: what each began with, and where it ended."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from brave_tf import errors
from brave_tf.storage import files, json_values
from brave_tf.storage.json_values import MappingOf, Optional, count, text

STAGES_FILE = "stages.json"
_END = {"run": Optional(text), "step": Optional(count)}
# Of a stage that has begun; where it ended if it did, and the ends of those that it began with.
_ENTRY = {**_END, "begins_with": MappingOf(_END)}


def read(folder: pathlib.Path) -> dict[str, Any]:
    """Returns stage -> `run`, its id, and `step`, once it is complete, and `begins_with`: stage -> the same.

    Raises:
      UserError: the file is damaged.
    """
    path = folder / STAGES_FILE
    if not path.exists():
        return {}
    try:
        found = files.read_json(path)
        json_values.check(found, MappingOf(_ENTRY))
    except (OSError, ValueError) as error:
        raise errors.UserError(
            f"{path} is damaged ({error}): put back what the run wrote there, or remove the folders of the "
            "stages and the file to train all of them again."
        ) from error
    return found


def write(folder: pathlib.Path, entries: Mapping[str, Any]) -> None:
    """Replaces what `read` returns.

    Raises:
      UserError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / STAGES_FILE, dict(entries))
    except OSError as error:
        raise errors.UserError(
            f"{folder / STAGES_FILE} could not be written: {error}. Give a --model_dir on a disk with space "
            "and permission."
        ) from error


def stage_folders(model_dir: str) -> list[str]:
    """Returns the folders of the stages of a recipe that have begun; none for another folder."""
    folder = pathlib.Path(model_dir)
    return [str(folder / name) for name in read(folder)]
