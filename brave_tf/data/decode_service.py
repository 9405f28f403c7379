"""Decoding on other machines, by a tf.data service.

`brave_tf_data_service` starts its processes: a dispatcher, and a worker on every machine that
decodes. `brave_tf_train` uses them with the binding `train.data_service = 'grpc://HOST:PORT'`, the address of
the dispatcher.
"""

from __future__ import annotations

import re
import socket
import threading

import tensorflow as tf

from brave_tf.errors import UserError

_PROTOCOL = "grpc://"
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 20


def distribute(dataset: tf.data.Dataset, address: str, file: str) -> tf.data.Dataset:
    """Has the elements of a dataset made by the workers of a service, in no fixed order.

    Args:
      dataset: the elements of its source are dealt out to the workers.
      address: of the dispatcher, 'grpc://host:port'.
      file: one that the workers have to read.

    Raises:
      UserError: `address` has another form, nothing answers there, or the first worker to answer cannot read
        `file`.
    """
    if not address.startswith(_PROTOCOL):
        raise UserError(
            f"train.data_service = {address!r}: expected the address of a dispatcher, such as "
            f"'{_PROTOCOL}localhost:5050'."
        )
    check_dispatcher(address[len(_PROTOCOL) :])
    _ask_worker(address, file)
    return _made_by_workers(dataset, address, "distributed_epoch")


def check_dispatcher(address: str) -> None:
    """Makes sure that something listens at 'host:port', within seconds.

    Raises:
      UserError: `address` has another form, or nothing listens there.
    """
    match = re.fullmatch(r"(.+):(\d+)", address)
    if not match:
        raise UserError(f"{address!r} is no address of a dispatcher: expected HOST:PORT.")
    host, port = match.groups()
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"no dispatcher of a tf.data service answers at {address} ({error}). Start one there with: "
            f"brave_tf_data_service --role=dispatcher --port={port}"
        ) from error


def _ask_worker(address: str, file: str) -> None:
    first = tf.data.FixedLengthRecordDataset(file, record_bytes=1).take(1)
    answers = []

    def ask() -> None:
        try:
            answers.extend(_made_by_workers(first, address, "parallel_epochs").take(1))
        except tf.errors.OpError as error:
            answers.append(error)

    # Without workers it would wait for ever.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_ANSWER_SECONDS)
    if not answers:
        raise UserError(
            f"train.data_service = {address!r}: no worker answered within {_ANSWER_SECONDS} s. Start some "
            "with: brave_tf_data_service --role=worker "
            f"--dispatcher={address[len(_PROTOCOL) :]}"
        )
    if isinstance(answers[0], tf.errors.OpError):
        raise UserError(
            f"train.data_service = {address!r}: a worker cannot read {file} ({answers[0].message}). Keep the "
            "records on storage that all workers see under the name that train.data_dir has."
        ) from answers[0]


def _made_by_workers(dataset: tf.data.Dataset, address: str, mode: str) -> tf.data.Dataset:
    # Floats of pixels and sound compress too little to be worth the time.
    return dataset.apply(tf.data.experimental.service.distribute(mode, address, compression=None))
