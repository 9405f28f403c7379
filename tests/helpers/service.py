"""A tf.data service inside the test's process."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def running(workers: int) -> Iterator[str]:
    """Starts a dispatcher and workers at free ports of this machine; gives the dispatcher's address."""
    service = tf.data.experimental.service
    # Jobs that are over are ended soon, not in minutes.
    config = service.DispatcherConfig(port=0, job_gc_check_interval_ms=1000, job_gc_timeout_ms=100)
    dispatcher = service.DispatchServer(config)
    address = dispatcher.target.split("://")[1]
    config = service.WorkerConfig(dispatcher_address=address, heartbeat_interval_ms=100)
    servers = [service.WorkerServer(config) for _ in range(workers)]
    try:
        yield dispatcher.target
    finally:
        # Iterators that nothing but a cycle holds would go on asking for the service, and say so.
        gc.collect()
        for server in (*servers, dispatcher):
            server._stop()
