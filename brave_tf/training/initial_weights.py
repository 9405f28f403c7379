"""What a run begins with: backbones of another run or of an exported model, and other parts of runs."""

from __future__ import annotations

import dataclasses
import pathlib
import types
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.objectives.base import Objective
from brave_tf.objectives.state import State
from brave_tf.training import checkpoint_files, checkpoints
from brave_tf.training.settings import Settings


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a run.

    Attributes:
      folder: of the run.
      name: of the part in its objective.
      checkpoint: `last`, `best` or a step.
    """

    folder: str
    name: str
    checkpoint: str = checkpoints.LAST


def load_initial(
    objective: Objective,
    settings: Settings,
    rows: Mapping[str, Any] | None,
    more: Mapping[str, Part] = types.MappingProxyType({}),
) -> None:
    """Assigns what the settings of a run say that it begins with.

    Args:
      objective: whose parts they are.
      settings: of the run, `initial_weights` and `initial_parts`.
      rows: of its clips, see `ClipRows.identity`; None: it keeps nothing for each.
      more: further parts, after those of the settings.

    Raises:
      UserError: something is not there, or does not fit.
    """
    checkpoint = settings.initial_checkpoint
    if settings.initial_weights:
        load_backbones(objective.backbones, settings.initial_weights, checkpoint)
    for name, source in (settings.initial_parts or {}).items():
        folder, there = (source, name) if isinstance(source, str) else source
        _load_part(objective, name, Part(folder, there, checkpoint), rows)
    for name, source in more.items():
        _load_part(objective, name, source, rows)


def _load_part(
    objective: Objective, name: str, source: Part, rows: Mapping[str, Any] | None
) -> None:
    part = _part(objective, name)
    step = checkpoints.find_step(source.folder, source.checkpoint)
    holder = tf.Module()
    holder.part = part
    if any(isinstance(each, State) and each.by_clip for each in holder.submodules):
        _check_rows(name, source.folder, step, rows)
    checkpoints.restore_weights(_under(source.name, part), source.folder, str(step))


def _part(objective: Objective, name: str) -> Any:
    part: Any = objective
    for each in name.split("/"):
        try:
            part = part[each] if isinstance(part, Mapping) else getattr(part, each)
        except (KeyError, AttributeError) as error:
            raise UserError(
                f"train.initial_parts has {name!r}: {type(objective).__name__} has no {each!r} there. Name "
                "an attribute of it, or a path to something in one, such as 'backbones/narrow'."
            ) from error
    return part


def _under(name: str, part: Any) -> tf.train.Checkpoint:
    """Returns an object that has a part under a path."""
    for each in reversed(name.split("/")):
        part = tf.train.Checkpoint(**{each: part})
    return part


def _check_rows(name: str, folder: str, step: int, rows: Mapping[str, Any] | None) -> None:
    manifest = checkpoint_files.read_manifest(pathlib.Path(folder) / checkpoints.FOLDER, step)
    if rows is None or manifest.get("rows") != rows:
        raise UserError(
            f"train.initial_parts has {name!r}, which has a row for each clip, but {folder} was not trained "
            "on the same clips: what it keeps would be taken for that of others. Train on the clips of that "
            "run (train.data_dir, train.split, train.held_out_every and the views decide which these are)."
        )


def load_backbones(
    backbones: Mapping[str, tf.keras.Model], folder: str, checkpoint: str = checkpoints.LAST
) -> None:
    """Assigns the weights of the backbones of the same views.

    Args:
      backbones: view name -> model, of the architecture that it has there.
      folder: of a run, or of a model that `brave_tf_export` or `brave_tf_import` wrote.
      checkpoint: of a run: `last`, `best` or a step, see `checkpoints.restore_weights`.

    Raises:
      UserError: there are none in the folder, or not of these views and architectures.
    """
    if (pathlib.Path(folder) / checkpoints.FOLDER).is_dir():
        of_views = tf.Module()
        of_views.backbones = dict(backbones)
        checkpoints.restore_weights(of_views, folder, checkpoint)
        return
    for view, backbone in backbones.items():
        path = pathlib.Path(folder) / "weights" / f"{view}.weights.h5"
        if not path.is_file():
            raise UserError(
                f"{folder} has no weights for view {view!r}: neither {checkpoints.FOLDER}/ nor {path} is "
                "there. Give the folder of a run, or of a model that brave_tf_export wrote."
            )
        try:
            backbone.load_weights(str(path))
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{path} does not fit the backbone {backbone.name!r} of view {view!r}: {error}. Bind the "
                "architecture that the weights are of."
            ) from error
