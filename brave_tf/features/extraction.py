"""Features of many windows from a frozen backbone."""

from __future__ import annotations

import collections
import dataclasses
import functools
import time
from collections.abc import Sequence
from typing import Callable

import numpy as np
import tensorflow as tf

from brave_tf.data.sources.attempts import user_errors
from brave_tf.errors import UserError
from brave_tf.features.store import FeatureStore, Rows
from brave_tf.process.progress import Progress
from brave_tf.storage.files import NotWrittenError

# (B, *window) -> (B, D) float32.
Embed = Callable[[tf.Tensor], tf.Tensor]

_SECONDS_BETWEEN_PARTS = 60.0
_BYTES_OF_A_PART = 2**27
# Batches whose features are computed while the next ones are made.
_IN_FLIGHT = 1


@dataclasses.dataclass(frozen=True)
class ExtractionJob:
    """The windows of a split, embedded into one store for each pass over its clips.

    Attributes:
      windows: [(number of the pass, number of its first clip)] -> a dataset of dicts of batches, as
        `windows.crop_windows` makes them, of these passes one after the other.
      clips: how many clips there are at most.
      stores: keep the rows of each pass, and have those of an interrupted extraction.
      group: how many neighbouring windows are of one clip, and make one row.
      average: keep the mean over the windows of a clip, (rows, 1, D), not each, (rows, group, D).
    """

    windows: Callable[[list[tuple[int, int]]], tf.data.Dataset]
    clips: int
    stores: Sequence[FeatureStore]
    group: int = 1
    average: bool = True

    def missing(self) -> list[tuple[int, int]]:
        """Returns the number and the first clip of the passes that are not whole."""
        passes = enumerate(self.stores)
        return [(number, store.next_index) for number, store in passes if not store.done]


def extract(
    embed: Embed,
    jobs: Sequence[ExtractionJob],
    *,
    batch_size: int,
    description: str,
    strategy: tf.distribute.Strategy | None = None,
    check: Callable[[Rows], None] = lambda rows: None,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Embeds the windows of jobs whose stores do not have all their rows.

    Windows go through the backbone in batches of one fixed size, whatever clips and jobs they come from.
    Rows are stored every minute and when interrupted. Progress, rate and time left are shown on stderr.

    Args:
      embed: (batch, *window) -> (batch, D) float32; is traced once, for the share of one device.
      jobs: what to embed.
      batch_size: windows per forward pass, a multiple of the strategy's replicas in this process.
      description: what is embedded, for the progress line.
      strategy: in whose scope the backbone was made; None for one device. Other processes of it take no part.
      check: raises UserError for rows that must not be stored.
      look: called between batches; it may raise an error to interrupt.

    Raises:
      UserError: when a store stays empty, or too many clips cannot be read.
    """
    jobs = [job for job in jobs if job.missing()]
    if not jobs:
        return
    passes = [_Pass(job, job.stores[number]) for job in jobs for number, _ in job.missing()]
    batches = _chained(jobs).rebatch(batch_size).prefetch(2)
    forward = _forward(embed, batches.element_spec["window"], batch_size, strategy)
    gathered = _Gathered(passes, check)
    flying: collections.deque = collections.deque()
    done = sum(each.store.rows * each.job.group for each in passes)
    total = sum(each.job.clips * each.job.group for each in passes)
    try:
        with user_errors(), Progress(total, description, "windows", done=done) as progress:
            for batch in batches:
                look()
                flying.append((forward(batch.pop("window")), batch))
                if len(flying) > _IN_FLIGHT:
                    progress.add(gathered.add(*flying.popleft()))
            while flying:
                progress.add(gathered.add(*flying.popleft()))
        gathered.finish()
    except NotWrittenError:
        raise  # What is left cannot be written either.
    except BaseException:
        gathered.keep()
        raise
    if not all(each.store.rows for each in passes):
        raise UserError(f"{description}: not one clip could be read; the warnings above say why.")


def mean_of_windows(features: np.ndarray) -> np.ndarray:
    """(rows, windows, D) -> (rows, 1, D) float32; large features do not overflow in the sum."""
    return features.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class _Pass:
    job: ExtractionJob
    store: FeatureStore


def _chained(jobs: Sequence[ExtractionJob]) -> tf.data.Dataset:
    """The windows of all jobs, whose 'pass' counts on from those of the jobs before."""

    def counted_on(windows: tf.data.Dataset, before: int) -> tf.data.Dataset:
        return windows.map(lambda each: {**each, "pass": each["pass"] + before})

    parts, before = [], 0
    for job in jobs:
        missing = job.missing()
        parts.append(counted_on(job.windows(missing), before))
        before += len(missing)
    return functools.reduce(lambda first, second: first.concatenate(second), parts)


# A large network takes seconds to trace.
@functools.lru_cache(maxsize=2)
def _forward(
    embed: Embed, spec: tf.TensorSpec, batch_size: int, strategy: tf.distribute.Strategy | None
) -> Callable[[tf.Tensor], tf.Tensor]:
    replicas = replicas_here(strategy)

    @tf.function(input_signature=[spec], autograph=False)
    def forward(batch: tf.Tensor) -> tf.Tensor:
        filled = _filled(batch, batch_size)
        # Outside of a replica some layers could only be read by all processes together.
        if strategy is None or strategy.num_replicas_in_sync == 1:
            return embed(filled)
        shares = tf.reshape(filled, [replicas, -1, *filled.shape[1:]])

        def on_replica() -> tf.Tensor:
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            # Each process has as many replicas as the others.
            share = shares[index % replicas]
            return embed(tf.ensure_shape(share, [batch_size // replicas, *filled.shape[1:]]))

        return tf.concat(strategy.experimental_local_results(strategy.run(on_replica)), axis=0)

    # Not the function, which warns of a trace for each backbone.
    return forward.get_concrete_function()


def replicas_here(strategy: tf.distribute.Strategy | None) -> int:
    """Returns the replicas of a strategy that are in this process; 1 without one."""
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return 1
    return len(strategy.extended.worker_devices)


def _filled(batch: tf.Tensor, batch_size: int) -> tf.Tensor:
    """Fills a last, smaller batch with zeros, so that one graph of static shape serves all."""
    missing = [[0, batch_size - tf.shape(batch)[0]], *([[0, 0]] * (batch.shape.rank - 1))]
    return tf.ensure_shape(tf.pad(batch, missing), [batch_size, *batch.shape[1:]])


class _Gathered:
    """Makes rows of the features of windows, and stores them."""

    def __init__(self, passes: Sequence[_Pass], check: Callable[[Rows], None]):
        self._passes, self._check = passes, check
        self._present = 0
        self._windows: dict[str, list[np.ndarray]] = collections.defaultdict(list)
        self._kept_at = time.monotonic()

    def add(self, features: tf.Tensor, batch: dict[str, tf.Tensor]) -> int:
        """Takes the features (>= n, D) of the next n windows, and what is known of them; returns n."""
        columns = {name: column.numpy() for name, column in batch.items()}
        numbers = columns.pop("pass")
        columns["features"] = features.numpy()[: len(numbers)]
        for number in np.unique(numbers):
            if number != self._present:
                self._go_on_to(number)
            for name, column in columns.items():
                self._windows[name].append(column[numbers == number])
        held = sum(part.nbytes for part in self._windows["features"])
        if held > _BYTES_OF_A_PART or time.monotonic() - self._kept_at > _SECONDS_BETWEEN_PARTS:
            self.keep()
        return len(numbers)

    def keep(self) -> None:
        """Stores the rows of the present pass that are complete."""
        self._kept_at = time.monotonic()
        columns = {name: np.concatenate(parts) for name, parts in self._windows.items()}
        job, store = self._passes[self._present].job, self._passes[self._present].store
        rows = len(columns.get("index", ())) // job.group
        if not rows:
            return
        whole = rows * job.group
        later = {name: [column[whole:]] for name, column in columns.items()}
        columns = {name: column[:whole] for name, column in columns.items()}
        features = columns["features"].reshape(rows, job.group, -1)
        if job.average:
            features = mean_of_windows(features)
        index, label, path = (columns[name][:: job.group] for name in ("index", "label", "path"))
        paths = np.array([name.decode(errors="backslashreplace") for name in path], str)
        found = Rows(features, index, label, paths)
        self._check(found)
        self._windows.update(later)
        store.add(found)

    def finish(self) -> None:
        """Notes that there are no more windows."""
        self._go_on_to(len(self._passes))

    def _go_on_to(self, number: int) -> None:
        self.keep()
        self._windows.clear()
        for each in self._passes[self._present : number]:
            each.store.finish()
        self._present = min(number, len(self._passes) - 1)
