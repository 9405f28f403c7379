"""How a step waits for its batch: not for ever, and with an eye on signals."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.data.pipeline.decode_service import ServiceWatch, lost_service
from brave_tf.process.patience import Clock
from brave_tf.training.interruption import Interruption

_LOOK_EVERY = 0.25
# Processes that stop together wait so long for the batch with which all can take one more step.
_LAST_BATCH_SECONDS = 5.0


class StoppedWaitingError(Exception):
    """The run was asked to stop while a step waited for its batch, or before it; the step has not begun."""


@gin.configurable
class InputWait:
    """Takes batches from iterators in a thread, so that the main one is free for signals and limits.

    TensorFlow waits for a batch without a look at signals, and without a limit. Inside `with`, `next` does
    neither.

    Args:
      interruption: that of this process.
      service: address of the tf.data service that makes the batches, 'grpc://host:port'; None for none.
      together: whether other processes take the same steps, so that none can stop before one by itself.
      patience: seconds that a batch may take, from whatever storage, while the process runs. The first one
        waits until the buffer of records to draw from is full.

    Raises:
      UserError: `patience` is no positive number.
    """

    def __init__(
        self,
        interruption: Interruption,
        service: str | None = None,
        together: bool = False,
        patience: float = 1800.0,
    ):
        errors.check_seconds("InputWait.patience", patience)
        self._interruption, self._together, self._patience = interruption, together, patience
        self._address = service
        self._service = ServiceWatch(service) if service else None
        self._asked: float | None = None
        self._clock = Clock()
        self._requests: queue.SimpleQueue = queue.SimpleQueue()

    def __enter__(self) -> InputWait:
        # A daemon, as a batch that never comes must not keep the process from ending.
        threading.Thread(target=_take, args=(self._requests,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._requests.put(None)

    def next(self, iterator: Iterator) -> Any:
        """Returns the next element of an iterator over a dataset.

        Raises:
          StopIteration: there is none.
          StoppedWaitingError: the run is asked to stop.
          LostInputError: nothing came within the limit, or the service is lost.
          tf.errors.OpError: what making the element ended with.
        """
        answer: queue.SimpleQueue = queue.SimpleQueue()
        self._requests.put((iterator, answer))
        begun = self._clock.now()
        if self._service:
            self._service.start()
        while True:
            with contextlib.suppress(queue.Empty):
                element, error = answer.get(timeout=_LOOK_EVERY)
                if error is None:
                    return element
                with lost_service(self._address):
                    raise error
            self._look(self._clock.now() - begun)

    def look(self) -> None:
        """Ends long work between two steps if the run is asked to stop.

        Raises:
          StoppedWaitingError: it is.
        """
        if self._interruption.exit_code is not None:
            raise StoppedWaitingError

    def _look(self, waited: float) -> None:
        if self._interruption.exit_code is not None:
            self._asked = self._asked or time.monotonic()
            grace = _LAST_BATCH_SECONDS if self._together else 0.0
            if time.monotonic() - self._asked >= grace:
                raise StoppedWaitingError
        if waited > self._patience:
            raise errors.LostInputError(
                f"no batch came within InputWait.patience = {self._patience:g} s: the storage of the clips "
                "does not answer, or clips take longer than that to read. See to the storage, or bind a "
                "higher value, then start the same command again to resume."
            )
        if self._service:
            self._service.check()


def _take(requests: queue.SimpleQueue) -> None:
    while (request := requests.get()) is not None:
        iterator, answer = request
        try:
            answer.put((next(iterator), None))
        except BaseException as error:
            answer.put((None, error))
        # Iterators end when nobody holds them.
        del request, iterator, answer


@contextlib.contextmanager
def undone_unless_whole(variables: Sequence[tf.Variable]) -> Iterator[None]:
    """Gives variables their values back when the body, a step of several parts, ends by an error.

    Args:
      variables: those that parts of a step change before the last one.
    """
    before = [variable.read_value() for variable in variables]
    try:
        yield
    except BaseException:
        for variable, value in zip(variables, before):
            variable.assign(value)
        raise
