"""Decoding on other machines, by a tf.data service.

`brave_tf_data_service` starts its processes: a dispatcher, and a worker on every machine that
decodes. `brave_tf_train` uses them with the binding `train.data_service = 'grpc://HOST:PORT'`, the address of
the dispatcher.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Callable

import gin
import tensorflow as tf

from brave_tf.errors import ArgumentError, LostInputError, UserError, check_seconds
from brave_tf.process.patience import Clock

_PROTOCOL = "grpc://"
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 20
_BETWEEN_QUESTIONS = 5.0
# How a client learns that its dispatcher, or a connection, is not the one it was.
_GONE = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
)


class NoServiceError(UserError):
    """No dispatcher answers, or no worker.

    Attributes:
      service: 'host:port' of the dispatcher.
    """

    def __init__(self, message: str, service: str = ""):
        super().__init__(message)
        self.service = service


class LostServiceError(NoServiceError, LostInputError):
    """A service that a run has used does not answer any more."""


def distribute(dataset: tf.data.Dataset, address: str, file: str) -> tf.data.Dataset:
    """Has the elements of a dataset made by the workers of a service, in no fixed order.

    Args:
      dataset: the elements of its source are dealt out to the workers.
      address: of the dispatcher, 'grpc://host:port'.
      file: one that the workers have to read.

    Raises:
      NoServiceError: nothing answers there.
      UserError: `address` has another form, or the first worker to answer cannot read `file`.
    """
    check_service(address)
    _ask_worker(address, file)
    return _made_by_workers(dataset, address, "distributed_epoch")


def check_service(address: str) -> None:
    """Makes sure that something listens at 'grpc://host:port', within seconds.

    Raises:
      NoServiceError: nothing listens there.
      UserError: `address` has another form.
    """
    if not (isinstance(address, str) and address.startswith(_PROTOCOL)):
        raise ArgumentError(
            "service",
            address,
            f"expected the address of a dispatcher, such as '{_PROTOCOL}localhost:5050'.",
        )
    check_dispatcher(_host_and_port(address))


def check_dispatcher(address: str) -> None:
    """Makes sure that something listens at 'host:port', within seconds.

    Raises:
      NoServiceError: nothing listens there.
      UserError: `address` has another form.
    """
    match = re.fullmatch(r"(.+):(\d+)", address)
    if not match:
        raise UserError(f"{address!r} is no address of a dispatcher: expected HOST:PORT.")
    host, port = match.groups()
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise NoServiceError(
            f"no dispatcher of a tf.data service answers at {address} ({error}). Start one there.",
            address,
        ) from error


def _ask_worker(address: str, file: str) -> None:
    first = tf.data.FixedLengthRecordDataset(file, record_bytes=1).take(1)
    answers: list[object] = []
    _asking(first, address, answers.append).join(_ANSWER_SECONDS)
    if not answers:
        raise NoServiceError(
            f"no worker of the tf.data service at {address} answered within {_ANSWER_SECONDS} s. Start some.",
            _host_and_port(address),
        )
    if isinstance(answers[0], tf.errors.OpError):
        raise ArgumentError(
            "service",
            address,
            f"a worker cannot read {file} ({answers[0].message}). Keep the records on storage that all "
            "workers see under the same name.",
        ) from answers[0]


def _asking(
    dataset: tf.data.Dataset, address: str, answer: Callable[[object], None]
) -> threading.Thread:
    """Has any worker make one element in a thread: without workers it would wait for ever.

    Args:
      dataset: what the element is of.
      address: of the dispatcher.
      answer: called with the element, or with the OpError that came instead.

    Returns:
      The thread.
    """

    def ask() -> None:
        try:
            for element in _made_by_workers(dataset, address, "parallel_epochs").take(1):
                answer(element)
        except tf.errors.OpError as error:
            answer(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


@gin.configurable
class ServiceWatch:
    """Finds out, while a step waits, whether dispatcher and workers still answer.

    Args:
      address: of the dispatcher, 'grpc://host:port'.
      patience: seconds without a batch, and without any other answer of a worker, while the process runs,
        after which the service is lost.

    Raises:
      UserError: `patience` is no positive number.
    """

    def __init__(self, address: str, patience: float = 60.0):
        check_seconds("ServiceWatch.patience", patience)
        self._address, self._patience = address, patience
        self._asking: threading.Thread | None = None
        self._clock, self._noted = Clock(), threading.Event()

    def start(self) -> None:
        """Begins a wait."""
        self._answered = self._asked = self._clock.now()

    def check(self) -> None:
        """Asks again when it is time to; to be called now and then during a wait.

        Raises:
          LostServiceError: there was no answer for too long.
        """
        now = self._clock.now()
        if self._noted.is_set():
            self._noted.clear()
            self._answered = now
        busy = self._asking is not None and self._asking.is_alive()
        if not busy and now - self._asked > min(_BETWEEN_QUESTIONS, self._patience / 4):
            self._asked = now
            self._asking = _asking(tf.data.Dataset.range(1), self._address, self._note)
        if now - self._answered > self._patience:
            since = time.strftime("%H:%M:%S", time.localtime(time.time() - now + self._answered))
            raise _lost(
                self._address, f"has not answered since {since} ({_what_is_there(self._address)})"
            )

    def _note(self, answer: object) -> None:
        if not isinstance(answer, tf.errors.OpError):
            self._noted.set()


@contextlib.contextmanager
def lost_service(address: str | None) -> Iterator[None]:
    """Raises a LostServiceError in place of errors that a lost or restarted service causes in the body.

    Args:
      address: of the dispatcher, 'grpc://host:port'; None where there is no service.

    Raises:
      LostServiceError: the service was lost, or has been restarted and does not know its clients.
    """
    try:
        yield
    except tf.errors.OpError as error:
        restarted = isinstance(error, tf.errors.NotFoundError) and "client id" in error.message
        if address is None or not (restarted or isinstance(error, _GONE)):
            raise
        reason = error.message.strip().splitlines()[0]
        raise _lost(address, f"was lost, or started anew ({reason})") from error


def _lost(address: str, what: str) -> LostServiceError:
    service = _host_and_port(address)
    return LostServiceError(
        f"the tf.data service at {service} {what}. Start what is missing again, then start the same command "
        "again to resume.",
        service,
    )


def _what_is_there(address: str) -> str:
    try:
        check_dispatcher(_host_and_port(address))
    except NoServiceError as error:
        return f"nothing listens there: {error.__cause__}"
    return "something listens there, but no worker makes anything"


def _host_and_port(address: str) -> str:
    return address[len(_PROTOCOL) :]


def _made_by_workers(dataset: tf.data.Dataset, address: str, mode: str) -> tf.data.Dataset:
    # Floats of pixels and sound compress too little to be worth the time.
    return dataset.apply(tf.data.experimental.service.distribute(mode, address, compression=None))
