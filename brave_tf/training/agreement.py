"""Makes sure that the processes of a run do the same: each has its own command line and its own files."""

from __future__ import annotations

import json
from collections.abc import Mapping

import gin
import tensorflow as tf

import brave_tf
from brave_tf import errors
from brave_tf.training import config_changes
from brave_tf.training.workers import Workers, total


def check_agreement(strategy: tf.distribute.Strategy, workers: Workers) -> None:
    """Compares version and bindings with the chief's, before there are variables; all processes call it.

    Gradients are summed and the chief alone saves, so that what another process does otherwise would be
    learned, or would make processes wait for each other, without a word.

    Args:
      strategy: that of the run.
      workers: its processes.

    Raises:
      UserError: a process differs, this one or another.
    """
    if not workers.several:
        return
    own = f"version.brave_tf = {brave_tf.__version__!r}\n{gin.config_str()}"
    differences = config_changes.between_processes(told_by_chief(strategy, workers, own), own)
    (others,) = total(strategy, workers, [float(bool(differences))])
    remedy = "Start all processes with the same version, --gin_file and --gin_bindings."
    if differences:
        raise errors.UserError(
            f"process {workers.index}, {workers.addresses[workers.index]}, has another configuration than "
            f"the chief (chief's -> its own): {'; '.join(map(str, differences))}. {remedy}"
        )
    if others:
        raise errors.UserError(
            f"{others:.0f} of the other processes of the run have another configuration than the chief, see "
            f"their own messages. {remedy}"
        )


def check_same_rows(
    strategy: tf.distribute.Strategy, workers: Workers, rows: Mapping[str, object] | None
) -> None:
    """Makes sure that all processes have the same clips in the same rows; all of them call it.

    Args:
      strategy: that of the run.
      workers: its processes.
      rows: see `ClipRows.identity`; None in all, where nobody asks for them.

    Raises:
      UserError: a process has others than the chief, this one or another.
    """
    if not (workers.several and rows):
        return
    of_chief = json.loads(told_by_chief(strategy, workers, json.dumps(rows)))
    (others,) = total(strategy, workers, [float(of_chief != rows)])
    if others:
        raise errors.UserError(
            f"{others:.0f} processes of the run read other clips than the chief, or in another order: "
            f"process {workers.index} has {rows}, the chief {of_chief}. Have all of them read the same files."
        )


def told_by_chief(strategy: tf.distribute.Strategy, workers: Workers, text: str) -> str:
    """Returns the text that the chief calls it with; all processes have to call it."""
    content = text.encode() if workers.chief else b""
    (length,) = total(strategy, workers, [len(content)])
    numbers = list(content) or [0] * round(length)
    return bytes(map(round, total(strategy, workers, numbers))).decode()
