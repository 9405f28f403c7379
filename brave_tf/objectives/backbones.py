"""The backbones of an objective: one per view, or one that views share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

import tensorflow as tf

from brave_tf import errors

# View name -> its backbone, or the name of another view whose backbone it shares.
Backbones = Mapping[str, Union[tf.keras.Model, str]]


def resolved(backbones: Backbones, owner: str) -> dict[str, tf.keras.Model]:
    """Returns view name -> model.

    Args:
      backbones: as an objective is given them.
      owner: name of the objective, for messages.

    Raises:
      UserError: `backbones` is empty, or an entry names a view that has no model of its own.
    """
    if not backbones:
        raise errors.UserError(
            f"{owner}.backbones is empty: bind view name -> backbone, such as "
            "{'narrow': @narrow/tsm_resnet()}."
        )
    return {view: _model(backbones, view) for view in backbones}


def _model(backbones: Backbones, view: str) -> tf.keras.Model:
    backbone = backbones[view]
    if not isinstance(backbone, str):
        return backbone
    models = [name for name, model in backbones.items() if not isinstance(model, str)]
    if backbone not in models:
        raise errors.UserError(
            f"the backbone of view {view!r} is to be that of {backbone!r}: expected a view that has one of "
            f"its own, {', '.join(map(repr, models))}.{errors.did_you_mean(backbone, models)}"
        )
    return backbones[backbone]
