"""Backbones that a run begins with: those of another run, or of an exported model."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.training import checkpoints


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
