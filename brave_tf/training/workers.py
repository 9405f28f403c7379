"""The processes of a run over several machines."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf

from brave_tf import errors

_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
_OTHER_SHAPE = "Shape mismatch in the collective"
_EXAMPLE = (
    '{"cluster": {"worker": ["HOST0:PORT", "HOST1:PORT"]}, "task": {"type": "worker", "index": 0}}'
)


class LostWorkerError(errors.UserError):
    """Another process of the run has ended or cannot be reached, so this one cannot go on."""

    # That of a temporary failure in sysexits.h.
    exit_code = 75


class Workers(NamedTuple):
    """The processes that train together.

    Attributes:
      addresses: 'host:port' of each, the chief's first.
      index: which of them is this process.
    """

    addresses: Sequence[str] = ("localhost",)
    index: int = 0

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes to the folder of the run."""
        return self.index == 0

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return len(self.addresses) > 1


ONE = Workers()


def read_workers() -> Workers:
    """Returns the processes of which the environment variable TF_CONFIG tells; one if it is not set.

    Raises:
      UserError: it is not of the form that TensorFlow reads, or has tasks other than `chief` and `worker`.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        return ONE
    try:
        config = json.loads(text)
        cluster = config.get("cluster", {})
        kinds = [(kind, len(cluster[kind])) for kind in ("chief", "worker") if kind in cluster]
        if set(cluster) - {"chief", "worker"}:
            raise ValueError(f"tasks {sorted(cluster)}")
        tasks = [(kind, index) for kind, count in kinds for index in range(count)]
        if not tasks:
            return ONE
        task = config["task"]["type"], int(config["task"]["index"])
        return Workers([cluster[kind][i] for kind, i in tasks], tasks.index(task))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.UserError(
            f"TF_CONFIG = {text!r} cannot be used ({error}): expected the addresses of all processes, which "
            f"may be of type chief and worker, and which one this is, such as {_EXAMPLE}."
        ) from error


@contextlib.contextmanager
def lost_workers(workers: Workers) -> Iterator[None]:
    """Raises an error that says so when another process is lost while the body runs.

    Raises:
      LostWorkerError: see above.
      UserError: processes have put together tensors of different shapes, which would happen again.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if workers.several and _OTHER_SHAPE in error.message:
            raise errors.UserError(
                f"process {workers.index} of the run gathers another number of rows than the others: "
                f"{error.message.strip().splitlines()[0]} All devices have to have equal parts of a batch, "
                "and what an objective gathers from them as many rows on each."
            ) from error
        if not (workers.several and (isinstance(error, _LOST) or "ollective" in error.message)):
            raise
        lines = [line for line in error.message.splitlines() if "aborted by" in line]
        reason = (lines or error.message.strip().splitlines() or [type(error).__name__])[-1]
        others = [each for i, each in enumerate(workers.addresses) if i != workers.index]
        raise LostWorkerError(
            f"another process of the run ({', '.join(others)}) has ended or cannot be reached, see its own "
            f"messages: {reason} Start all processes again: they resume from the last checkpoint."
        ) from error


def total(
    strategy: tf.distribute.Strategy, workers: Workers, numbers: Sequence[float]
) -> list[float]:
    """Returns the sums of the numbers that each process calls it with; all have to call it.

    Args:
      strategy: that of the run.
      workers: its processes.
      numbers: as many in each process.
    """
    # Each device of a process adds the same.
    share = tf.constant(numbers, tf.float64) * len(workers.addresses)
    summed = _sum_over_replicas(strategy, share / strategy.num_replicas_in_sync)
    return [round(float(x), 6) for x in strategy.experimental_local_results(summed)[0]]


@tf.function
def _sum_over_replicas(strategy: tf.distribute.Strategy, share: tf.Tensor) -> object:
    def add(value: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

    return strategy.run(add, args=(share,))
