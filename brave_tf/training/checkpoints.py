"""Checkpoints of a run: whole training state in, newest out."""

from __future__ import annotations

import math
import pathlib
import shutil
import tempfile
from collections.abc import Mapping
from typing import Callable

import tensorflow as tf
from absl import logging

from brave_tf import compat, errors
from brave_tf.objectives.base import Objective
from brave_tf.training import checkpoint_files as files

FOLDER = "checkpoints"
LAST, BEST = "last", "best"
# What a checkpoint takes beside the values of its variables.
_OVERHEAD = 2**20


class SaveError(errors.UserError):
    """A checkpoint could not be written."""


class Checkpoints:
    """Saves and restores the state of a compiled objective: weights, optimizer slots, step, and the random
    state of layers that have one of their own.

    Kept are the newest ones, the one with the lowest loss on held-out clips, and every so many steps one
    for good. How they are written and verified: see `checkpoint_files`.

    Args:
      objective: a compiled objective.
      model_dir: folder of the run; checkpoints go to `model_dir/checkpoints`.
      keep: how many of the newest checkpoints are kept.
      keep_every: those of the multiples of this many steps are kept too; None for no others.
      writes: False in all but one of several processes that train together. They only help to read
        variables of which each has a part, and have to save at the same steps.
      rows: of the clips that the objective keeps something for, see `ClipRows.identity`; None: it does not.
    """

    def __init__(
        self,
        objective: Objective,
        model_dir: str,
        keep: int,
        keep_every: int | None = None,
        writes: bool = True,
        rows: Mapping[str, int | str] | None = None,
    ):
        self._objective = objective
        self._checkpoint = tf.train.Checkpoint(
            objective=objective,
            optimizer=objective.optimizer,
            random_generators=compat.layer_generators(objective),
        )
        self._folder = pathlib.Path(model_dir) / FOLDER
        self._keep = keep
        self._keep_every = keep_every
        self._writes = writes
        self._rows = rows
        self._saved_step: int | None = None

    def changed_by_parts(self) -> list[tf.Variable]:
        """Returns what a part of a step changes, before the optimizer does the rest with the last one."""
        generators = compat.layer_generators(self._objective)
        return [*self._objective.non_trainable_variables, *(each.state for each in generators)]

    def newest_step(self) -> int | None:
        """Returns the step of the newest usable checkpoint; None when there is none yet.

        Raises:
          UserError: there are checkpoints, and all are damaged.
        """
        return _find(self._folder, LAST)

    def held_out_losses(self, last: int) -> dict[int, float]:
        """Returns step -> loss on held-out clips of the checkpoints up to a step, the best among them."""
        return {step: loss for step, loss in _held_out_losses(self._folder).items() if step <= last}

    def restore(self, step: int) -> None:
        """Restores a checkpoint. The learning rate stays what it is: it is a matter of configuration.

        Raises:
          UserError: it does not fit the objective or the optimizer, or is about other clips.
        """
        path = files.path_of(self._folder, step)
        if self._rows is not None:
            self._check_rows(path, files.read_manifest(self._folder, step).get("rows"))
        self._read(path)
        self._saved_step = step

    def _read(self, path: str) -> None:
        optimizer = self._objective.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        rate = optimizer.get_config()["learning_rate"]
        try:
            self._checkpoint.read(path).assert_consumed()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise _misfit(path, error) from error
        # A schedule is a dictionary; a constant is kept in a variable, which was read too.
        if not isinstance(rate, dict):
            optimizer.learning_rate = rate

    def hand_over(self, folder: pathlib.Path, meet: Callable[[], None]) -> None:
        """Has all processes go on with the present state of the one that writes; all of them call it.

        Args:
          folder: that all see, for a file meanwhile; it is made.
          meet: returns when all processes have called it.
        """
        path = str(folder / "state")
        if self._writes:
            self._checkpoint.write(path)
        else:
            self._help_to_read()
        meet()
        if not self._writes:
            self._read(path)
        meet()

    def _check_rows(self, path: str, saved: Mapping[str, int | str] | None) -> None:
        if self._rows == saved:
            return
        if saved is None:
            what = "does not say which clips its rows are of"
        elif saved["count"] != self._rows["count"]:
            what = (
                f"has rows of {saved['count']:,} clips, but there are {self._rows['count']:,} now"
            )
        else:
            digests = f"digest {saved['digest'][:12]}, now {self._rows['digest'][:12]}"
            what = f"has rows of {saved['count']:,} clips too, but others or in another order ({digests})"
        raise errors.UserError(
            f"checkpoint {path} {what}: what it keeps for each clip would be taken for that of another. "
            "Train on the clips that the run was started with (train.data_dir, train.split, "
            "train.held_out_every and the views decide which these are), or give another --model_dir."
        )

    def save(self, held_out_loss: float | None = None) -> None:
        """Saves the present state, unless it is saved already.

        Raises:
          SaveError: it cannot be written; older checkpoints are left as they are.
        """
        step = self._objective.step
        if self._saved_step == step:
            return
        if not self._writes:
            self._saved_step = step
            self._help_to_read()
            return
        try:
            files.write(self._checkpoint, self._folder, step, held_out_loss, self._rows)
            self._saved_step = step
            self._tidy(step)
        except (OSError, tf.errors.OpError) as error:
            raise SaveError(
                f"checkpoint {files.path_of(self._folder, step)} could not be written: {error}. Free space "
                "on that disk or check its permissions, then start the same command again: it resumes "
                "from the checkpoint before."
            ) from error

    def _help_to_read(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self._checkpoint.write(f"{folder}/not-kept")

    def check_space(self) -> None:
        """Makes sure, before a run, that its checkpoints fit on the disk; warns when not all will.

        Raises:
          UserError: not one more fits.
        """
        free = shutil.disk_usage(self._folder.parent).free
        one = self._bytes()
        if free < one:
            raise errors.UserError(
                f"{self._folder}: a checkpoint takes {_megabytes(one)}, but only {_megabytes(free)} are free "
                "on that disk. Free some, or give a --model_dir on another one."
            )
        # The newest ones, the best one, and one more while it is written.
        wanted = (self._keep + 2) * one - files.size(self._folder)
        if free < wanted:
            logging.warning(
                "%s: the %d checkpoints that are kept will take %s more, but only %s are free on that disk: "
                "free some, or bind a lower train.keep_checkpoints",
                *(self._folder, self._keep + 1, _megabytes(wanted), _megabytes(free)),
            )

    def _bytes(self) -> int:
        variables = [*self._objective.variables, *self._objective.optimizer.variables()]
        each = {id(v): math.prod(v.shape) * v.dtype.size for v in variables}
        return sum(each.values()) + _OVERHEAD

    def _tidy(self, step: int) -> None:
        """Names the newest and the best one, and deletes those that are not kept."""
        # One of a later step was damaged and passed over: this run will come to that step and replace it.
        present = [each for each in files.manifests(self._folder) if each <= step]
        best = _best(self._folder, present)
        kept = set(present[-self._keep :]) | {best}
        if self._keep_every:
            kept |= {each for each in present if each % self._keep_every == 0}
        files.name(self._folder, files.LAST, step)
        if best is not None:
            files.name(self._folder, files.BEST, best)
        files.prune(self._folder, step, kept)


def save_weights(objective: tf.keras.Model, model_dir: str, step: int) -> None:
    """Writes weights alone as a checkpoint of a run, which can be evaluated and exported, not resumed."""
    folder = pathlib.Path(model_dir) / FOLDER
    files.write(tf.train.Checkpoint(objective=objective), folder, step)
    files.name(folder, files.LAST, step)


def restore_weights(objective: tf.keras.Model, model_dir: str, which: str = LAST) -> int:
    """Restores the weights, and only these, of a checkpoint of a run; returns its step.

    Args:
      objective: an objective of the run's recipe, compiled or not.
      model_dir: folder of the run.
      which: `last`, the newest; `best`, the one with the lowest loss on held-out clips; or its step.

    Raises:
      UserError: when the run has no such checkpoint, only damaged ones, or one of another model.
    """
    step = find_step(model_dir, which)
    path = files.path_of(pathlib.Path(model_dir) / FOLDER, step)
    try:
        status = tf.train.Checkpoint(objective=objective).read(path)
        status.assert_existing_objects_matched()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise _misfit(path, error) from error
    status.expect_partial()
    return step


def find_step(model_dir: str, which: str = LAST) -> int:
    """Returns the step of a checkpoint of a run; see `restore_weights`."""
    folder = pathlib.Path(model_dir) / FOLDER
    step = _find(folder, which)
    if step is None:
        raise errors.UserError(
            f"{folder} holds no checkpoint: train first with brave_tf_train, or ask for the random "
            "initialisation with --baseline=random."
        )
    return step


def _find(folder: pathlib.Path, which: str) -> int | None:
    """Returns the step of the usable checkpoint that is asked for; None when a run has none at all."""
    candidates = files.steps(folder)
    if candidates and which != LAST:
        candidates = [_choose(folder, which, candidates)]
    try:
        return files.newest(folder, candidates)
    except files.DamagedError as error:
        raise errors.UserError(
            f"no usable checkpoint is left in {folder}: {error}. Bring back a copy of one, or move the "
            "folder away to start from step 0."
        ) from error


def _choose(folder: pathlib.Path, which: str, candidates: list[int]) -> int:
    best = _best(folder, candidates)
    if which == BEST and best is not None:
        return best
    if which in map(str, candidates):
        return int(which)
    raise errors.UserError(
        f"checkpoint {which!r} is not in {folder}: expected 'last', 'best' (when clips were held out) "
        f"or one of the steps {', '.join(map(str, candidates))}."
    )


def _best(folder: pathlib.Path, candidates: list[int]) -> int | None:
    """Returns the step with the lowest held-out loss, the first of equals; None if none was measured."""
    losses = _held_out_losses(folder)
    return min((step for step in candidates if step in losses), key=losses.get, default=None)


def _held_out_losses(folder: pathlib.Path) -> dict[int, float]:
    """Returns step -> loss on held-out clips of the checkpoints of which it was measured."""
    losses = {step: found.get("held_out_loss") for step, found in files.manifests(folder).items()}
    return {step: loss for step, loss in losses.items() if loss is not None}


def _misfit(path: str, error: Exception) -> errors.UserError:
    return errors.UserError(
        f"checkpoint {path} does not fit the model: {str(error).rstrip('.')}. It was written by another "
        "recipe; give another --model_dir, or move the checkpoint away."
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
