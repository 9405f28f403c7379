"""Tasks spread over processes, where a task that hangs or kills its process harms no other.

Every worker has a pipe of its own: a pool that shares one can lose it when a worker dies while writing, and
the standard library's cannot end a single task.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import math
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import threading
import types
from collections.abc import Iterable, Iterator
from multiprocessing import resource_tracker
from typing import Any, Callable, NamedTuple

from brave_tf.process.patience import Clock

# Tasks in a worker's pipe, including the one at work: it need not wait for the next one.
_DEPTH = 4
# A task whose process dies is tried again: another process may have been the cause, and memory is shared.
_ATTEMPTS = 2
# Tasks, for each worker, that may be begun before the oldest has been yielded: bounds the memory.
_WINDOW = 8
_MAX_EARLY_DEATHS = 10
# What a new process may take to import what it needs.
_STARTING_SECONDS = 300.0
# The clock has to be asked at least so often.
_LOOK_EVERY = 1.0
# Threads of one program may have pools of their own.
_STARTING = threading.Lock()


class Died(NamedTuple):
    """In place of the result of a task whose process ended; negative codes are signals."""

    exit_code: int


class TimedOut(NamedTuple):
    """In place of the result of a task that took longer than allowed."""

    seconds: float


def run_in_order(
    function: Callable[[Any], Any],
    tasks: Iterable[Any],
    *,
    workers: int,
    timeout: float,
) -> Iterator[Any]:
    """Yields `function(task)` of each task, in the order of the tasks.

    Args:
      function: Must be importable by name in a new process and not raise; results are pickled. The program
        that runs is imported there only if the function is part of it.
      tasks: Small picklable objects, drawn as needed.
      workers: Number of processes.
      timeout: Seconds that a task may take before its process is ended, without those in which the whole
        group of processes was stopped.

    Yields:
      Each result, or Died or TimedOut in its place.

    Raises:
      RuntimeError: New processes keep ending before they have begun to work.
    """
    pool = _Pool(function, workers, timeout)
    tasks = enumerate(tasks)
    results = {}
    window = workers * _WINDOW
    begun = 0
    try:
        for position in itertools.count():
            while position not in results:
                free = position + window - begun
                for job in itertools.islice(tasks, max(0, min(free, pool.vacancies))):
                    pool.assign(job)
                    begun += 1
                if position == begun:
                    return
                results.update(pool.wait())
            yield results.pop(position)
    finally:
        pool.end()


class _Pool:
    """Keeps the workers busy, and replaces those that end."""

    def __init__(self, function, workers, timeout):
        self._function, self._timeout = function, timeout
        self._clock = Clock(2 * _LOOK_EVERY)
        self._workers = [_Worker(function, self._clock) for _ in range(workers)]
        self._deaths = collections.Counter()

    @property
    def vacancies(self):
        return sum(_DEPTH - len(worker.jobs) for worker in self._workers)

    def assign(self, job):
        min(self._workers, key=lambda worker: len(worker.jobs)).assign(job)

    def wait(self):
        """Waits for something to happen; returns the (position, result) pairs that came of it."""
        deadlines = [worker.deadline(self._timeout) for worker in self._workers]
        connections = [worker.connection for worker in self._workers]
        patience = min(_LOOK_EVERY, max(0.0, min(deadlines) - self._clock.now()))
        ready = multiprocessing.connection.wait(connections, patience)
        results = []
        for index, worker in enumerate(self._workers):
            if worker.connection in ready:
                try:
                    results += worker.receive()
                except (EOFError, OSError):
                    results += self._replace(index, Died(worker.end(patience=10.0)))
            elif self._clock.now() > worker.deadline(self._timeout):
                worker.end()
                results += self._replace(index, TimedOut(self._timeout))
        return results

    def _replace(self, index, outcome):
        """Puts a new worker in the place of one that ended while it did the first of its jobs."""
        if not threading.main_thread().is_alive():
            raise RuntimeError("this process is ending, and ended its workers")
        ended = self._workers[index]
        results = []
        culprit = ended.jobs[0][0] if ended.since is not None else "none"
        self._deaths[culprit] += 1
        if culprit == "none":
            if self._deaths[culprit] > _MAX_EARLY_DEATHS:
                raise RuntimeError(f"worker processes end before they begin to work: {outcome}")
        elif isinstance(outcome, TimedOut) or self._deaths[culprit] == _ATTEMPTS:
            ended.jobs.popleft()
            results.append((culprit, outcome))
        self._workers[index] = _Worker(self._function, self._clock)
        for job in ended.jobs:
            self._workers[index].assign(job)
        return results

    def end(self):
        for worker in self._workers:
            worker.end()


class _Worker:
    """A process and the jobs given to it, (position, task) pairs; it does them in turn.

    Attributes:
      since: When it began with the first of its jobs; None while it has none or is starting.
    """

    def __init__(self, function, clock):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.jobs = collections.deque()
        self.since = None
        self._started = False
        self._clock = clock
        self._begun = clock.now()
        self._process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        # Ctrl-C and the end of a terminal go to the whole process group; only the parent shall answer. The
        # resource tracker, which comes with the first process, would unblock Ctrl-C.
        resource_tracker.ensure_running()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        try:
            with _main_left_alone(function):
                self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()

    def deadline(self, timeout):
        """Returns when it is to have done the first of its jobs, or to have started; infinite for neither."""
        if not self._started:
            return self._begun + _STARTING_SECONDS
        return math.inf if self.since is None else self.since + timeout

    def assign(self, job):
        self.jobs.append(job)
        # That a worker has just ended is noticed when its pipe is read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(job[1])
        self._restart_clock()

    def receive(self):
        results = []
        message = self.connection.recv()
        if self._started:
            position, _ = self.jobs.popleft()
            results.append((position, message))
        self._started = True
        self._restart_clock(anew=True)
        return results

    def _restart_clock(self, anew=False):
        if not self.jobs or not self._started:
            self.since = None
        elif anew or self.since is None:
            self.since = self._clock.now()

    def end(self, patience=0.0):
        """Ends the process if it still runs after `patience` seconds; returns its exit code."""
        self.connection.close()
        self._process.join(patience)
        self._process.kill()
        self._process.join()
        return self._process.exitcode


@contextlib.contextmanager
def _main_left_alone(function):
    """Keeps a new process from importing the program that runs, unless that defines the function.

    A script without `if __name__ == "__main__"` would run anew in it.
    """
    if b"__main__" in pickle.dumps(function):
        yield
        return
    with _STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _serve(connection, function):
    threading.Thread(target=_follow_parent, daemon=True).start()
    connection.send("started")
    while True:
        try:
            connection.send(function(connection.recv()))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def _follow_parent():
    """Ends the process when its parent is gone, even in the middle of a task."""
    multiprocessing.parent_process().join()
    os._exit(1)
