"""Checkpoints of a run: whole training state in, newest out."""

from __future__ import annotations

import pathlib

import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives.base import Objective

FOLDER = "checkpoints"


class Checkpoints:
    """Saves and restores the state of a compiled objective: weights, optimizer slots and step.

    Args:
      objective: a compiled objective.
      model_dir: folder of the run; checkpoints go to `model_dir/checkpoints`.
      keep: how many of the newest checkpoints are kept.
    """

    def __init__(self, objective: Objective, model_dir: str, keep: int):
        self._objective = objective
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(objective=objective, optimizer=objective.optimizer),
            str(pathlib.Path(model_dir) / FOLDER),
            max_to_keep=keep,
            checkpoint_name="step",
        )

    def restore(self) -> int:
        """Restores the newest checkpoint, if there is one; returns the optimizer step.

        Raises:
          UserError: when the checkpoint does not fit the objective or the optimizer.
        """
        path = self._manager.latest_checkpoint
        if path:
            _restore(self._manager.checkpoint, path).assert_consumed()
        return self._objective.step

    def save(self) -> str:
        """Saves the present state, unless it is saved already; returns the checkpoint's path.

        Raises:
          UserError: when it cannot be written; older checkpoints are left as they are.
        """
        step = self._objective.step
        path = f"{self._manager.directory}/step-{step}"
        if self._manager.latest_checkpoint == path:
            return path
        try:
            return self._manager.save(checkpoint_number=step)
        except (OSError, tf.errors.OpError) as error:
            raise errors.UserError(
                f"checkpoint {path} could not be written: {error}. Free space on that disk or check its "
                "permissions, then start the same command again: it resumes from the checkpoint before."
            ) from error


def restore_weights(objective: tf.keras.Model, model_dir: str) -> int:
    """Restores the weights, and only these, of the newest checkpoint of a run; returns its step.

    Raises:
      UserError: when the run has no checkpoint, or one of another model.
    """
    folder = pathlib.Path(model_dir) / FOLDER
    path = tf.train.latest_checkpoint(str(folder))
    if path is None:
        raise errors.UserError(
            f"{folder} holds no checkpoint: train first with brave_tf_train, or ask for the random "
            "initialisation with --baseline=random."
        )
    status = _restore(tf.train.Checkpoint(objective=objective), path)
    status.assert_existing_objects_matched()
    status.expect_partial()
    return int(path.rsplit("-", 1)[1])


def _restore(
    checkpoint: tf.train.Checkpoint, path: str
) -> tf.train.experimental.CheckpointLoadStatus:
    try:
        return checkpoint.restore(path)
    except (ValueError, tf.errors.OpError) as error:
        raise errors.UserError(
            f"checkpoint {path} does not fit the model: {error}. It was written by another recipe or is "
            "damaged; give another --model_dir, or move the checkpoint away."
        ) from error
