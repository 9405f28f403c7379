"""Makes clips from items some of which cannot be read, and keeps account of those."""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Iterator
from typing import Any, Callable

import gin
import tensorflow as tf
from absl import logging

from brave_tf.errors import UserError

# A share is judged as if at least so many clips had been read.
_FEWEST_CLIPS = 100
# Failed items that wait to be noted; more are counted, but not named. Each is as large as a record.
_WAITING = 64
_NAMED = 5
_REMEMBERED = 1000
_LOGGED = 20
_ACCOUNTS: weakref.WeakSet[SkippedClips] = weakref.WeakSet()


@gin.configurable
class SkippedClips:
    """The clips of datasets that could not be read: how many, which ones, and when they are too many.

    Args:
      max_share: the highest share of the clips of a dataset that may be skipped, in [0, 1]. Of the first 100
        clips, so many may be as if there had been 100. Above it, reading ends with an error.

    Attributes:
      reasons: why, by name of the clip (or of the shard that has lost it); at most 1,000 are kept.
      error: what is said by the error that ends a dataset, by which `user_errors` knows whose it is.

    Raises:
      UserError: `max_share` is no share.
    """

    def __init__(self, max_share: float = 0.1):
        if not 0 <= max_share <= 1:
            raise UserError(
                f"SkippedClips.max_share = {max_share!r}: expected a number between 0 and 1."
            )
        self.max_share = max_share
        self.reasons: dict[str, str] = {}
        self.error = f"too many clips cannot be read (account {id(self)})"
        self._reports: list[_Reports] = []
        _ACCOUNTS.add(self)

    @property
    def count(self) -> int:
        """Clips skipped so far; one that is met again in a later epoch counts again."""
        self.update()
        return sum(reports.count for reports in self._reports)

    def add(self, reports: _Reports) -> None:
        """Has the reports of a dataset noted here."""
        self._reports.append(reports)

    def update(self) -> None:
        """Notes what was reported since the last time. Cheap when nothing was."""
        for reports in self._reports:
            for item in reports.take():
                name = reports.name(*item)
                if name not in self.reasons and len(self.reasons) < _REMEMBERED:
                    self.reasons[name] = _reason(reports.make, item)
                    if len(self.reasons) <= _LOGGED:
                        logging.warning("skipped %s: %s", name, self.reasons[name])

    def allowed(self, read: tf.Tensor | int) -> tf.Tensor:
        """Returns () float64: how many of the first `read` clips of a dataset may be skipped."""
        return self.max_share * tf.cast(tf.maximum(read, _FEWEST_CLIPS), tf.float64)

    def check(self) -> None:
        """Makes sure that no dataset has too many.

        Raises:
          UserError: one has; the message names some of them.
        """
        self.update()
        for reports in self._reports:
            if reports.in_pass > self.allowed(reports.read):
                raise UserError(
                    f"{reports.in_pass:,} of the first {reports.read:,} clips cannot be read, more than "
                    f"SkippedClips.max_share = {self.max_share:g} allows: {self._names()}. Look at the "
                    "data with brave_tf_inspect --data=DIR and repair it, or bind a higher share."
                )

    def summary(self) -> str:
        """Returns one line: how many were skipped, and some of them."""
        return (
            f"{self.count:,} clips skipped: {self._names()}" if self.count else "no clips skipped"
        )

    def _names(self) -> str:
        some = [f"{name}: {reason}" for name, reason in list(self.reasons.items())[:_NAMED]]
        more = len(self.reasons) - len(some)
        return "; ".join(some) + (f"; and {more:,} more" if more else "")


class _Reports:
    """Failed items on their way from a dataset to an account.

    A queue of TensorFlow is between them: Python that runs inside a dataset can keep a process from ending.

    Args:
      spec: of an item.
      name: (*item) -> what to call it.
      make: (*item) -> what could not be made.

    Attributes:
      count: items that failed so far.
      in_pass: those of the present pass over the dataset.
      read: items of that pass, up to the last one that failed.
    """

    def __init__(self, spec: Any, name: Callable[..., str], make: Callable):
        self.name, self.make = name, make
        self.count = self.in_pass = self.read = 0
        self._spec = spec
        parts = [tf.TensorSpec((), tf.int64)] * 2 + tf.nest.flatten(spec)
        dtypes, shapes = [part.dtype for part in parts], [part.shape for part in parts]
        with tf.device("CPU"):
            self._queue = tf.queue.FIFOQueue(_WAITING, dtypes, shapes)

    def put(self, in_pass: tf.Tensor, read: tf.Tensor, item: Any) -> tf.Operation:
        """Reports an item, inside a dataset. When nobody takes them, the oldest one is given up."""
        full = self._queue.size() >= _WAITING
        room = tf.cond(full, lambda: self._queue.dequeue()[0] * 0, lambda: tf.zeros((), tf.int64))
        with tf.control_dependencies([room]):
            return self._queue.enqueue([in_pass, read, *tf.nest.flatten(item)])

    def take(self) -> Iterator[tuple]:
        """Yields the items that were reported since the last time."""
        while self._queue.size() > 0:
            in_pass, read, *values = self._queue.dequeue()
            # Counts start again with every pass.
            self.count += int(in_pass) - (self.in_pass if read > self.read else 0)
            self.in_pass, self.read = int(in_pass), int(read)
            yield tf.nest.pack_sequence_as(self._spec, values)


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Notes what datasets that are read here skip, and raises a UserError when they end for it.

    Raises:
      UserError: see `SkippedClips.check`.
    """
    try:
        yield
    except tf.errors.OpError as error:
        for account in list(_ACCOUNTS):
            if account.error in error.message:
                account.check()
        raise
    finally:
        for account in list(_ACCOUNTS):
            account.update()


def map_or_else(
    items: tf.data.Dataset, function: Callable, otherwise: Callable, num_parallel: int
) -> tf.data.Dataset:
    """Maps in parallel and in order; where `function` fails, something else takes its place.

    Args:
      items: elements that are no dicts.
      function: as in `tf.data.Dataset.map`.
      otherwise: (spec of the function's result, *item) -> what takes its place; must not fail.
      num_parallel: items that are mapped at the same time.
    """

    @tf.autograph.experimental.do_not_convert
    def attempt(*item: Any) -> tf.data.Dataset:
        one = tf.data.Dataset.from_tensors(item)
        mapped = one.map(function)
        other = one.map(lambda *item: otherwise(mapped.element_spec, *item))
        return mapped.ignore_errors().concatenate(other).take(1)

    return items.interleave(
        attempt, cycle_length=num_parallel, num_parallel_calls=num_parallel, deterministic=True
    )


def try_all(items: tf.data.Dataset, make: Callable, num_parallel: int) -> tf.data.Dataset:
    """Maps `make` in parallel and in order, whether it fails or not. Runs in any process.

    Args:
      items: elements that are tuples, of tensors of static shapes.
      make: as in `tf.data.Dataset.map`; its results have static shapes too.
      num_parallel: items that are made at the same time.

    Returns:
      A dataset of (() bool, result, item), where the item is blank if it could be made, else the result.
    """
    no_item = _blank(items.element_spec)

    @tf.autograph.experimental.do_not_convert
    def attempt(*item: Any) -> tuple:
        return True, make(*item), no_item

    def failure(spec: tuple, *item: Any) -> tuple:
        return False, _blank(spec[1]), item

    return map_or_else(items, attempt, failure, num_parallel)


def successes(
    tried: tf.data.Dataset,
    make: Callable,
    name: Callable[..., str],
    skipped: SkippedClips,
    *,
    fill_gaps: bool,
) -> tf.data.Dataset:
    """Keeps what `try_all` could make, and reports the rest.

    Args:
      tried: what `try_all` returned.
      make: its function, which is called again, outside the graph, to find out why it fails.
      name: (*item) -> what to call it.
      skipped: where failures are noted.
      fill_gaps: whether the item after a failed one is repeated in its place.

    Returns:
      A dataset of results. It ends with an InvalidArgumentError when too many fail: read it inside
      `user_errors`.
    """
    reports = _Reports(tried.element_spec[2], name, make)
    skipped.add(reports)

    @tf.autograph.experimental.do_not_convert
    def check(state: tuple, numbered: tuple) -> tuple:
        last, failed = state
        position, (good, result, item) = numbered
        failed += tf.cast(~good, tf.int64)

        def report() -> tf.Tensor:
            read = position + 1
            with tf.control_dependencies([reports.put(failed, read, item)]):
                few = tf.cast(failed, tf.float64) <= skipped.allowed(read)
                with tf.control_dependencies([tf.debugging.Assert(few, [skipped.error])]):
                    return tf.identity(last)

        last_good = tf.cond(good, lambda: tf.identity(position), report)
        return (last_good, failed), (good, result, position - last)

    start = (tf.constant(-1, tf.int64), tf.constant(0, tf.int64))
    checked = tried.enumerate().scan(start, check).filter(lambda good, *_: good)
    if not fill_gaps:
        return checked.map(lambda good, result, times: result)
    return checked.flat_map(
        lambda good, result, times: tf.data.Dataset.from_tensors(result).repeat(times)
    )


def _blank(spec: Any) -> Any:
    return tf.nest.map_structure(lambda part: tf.zeros(part.shape, part.dtype), spec)


def _reason(make: Callable, item: tuple) -> str:
    try:
        make(*item)
    except (tf.errors.OpError, ValueError) as error:
        message = getattr(error, "message", None) or str(error)
        message = re.sub(r".*Summarized data: b'(.*)'", r"\1", message)
        return re.sub(r"{{.*?}}|\[Op:.*", "", message).strip().splitlines()[0]
    return "it could be read when it was tried again"
