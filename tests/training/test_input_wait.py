"""A step's wait for its batch has a limit and sees signals."""

import itertools
import os
import signal
import threading
import time

import pytest
import tensorflow as tf

from brave_tf.errors import LostInputError, UserError
from brave_tf.training.input_wait import InputWait, StoppedWaitingError, undone_unless_whole
from brave_tf.training.interruption import Interruption


def never():
    """An iterator of TensorFlow's whose first element does not come."""
    queue = tf.queue.FIFOQueue(1, tf.int64, ())
    return iter(tf.data.Dataset.range(1).map(lambda _: queue.dequeue()))


def test_elements_errors_and_the_end_come_as_they_are():
    with Interruption() as interruption, InputWait(interruption) as wait:
        numbers = iter(tf.data.Dataset.range(2))
        assert [int(wait.next(numbers)) for _ in range(2)] == [0, 1]
        with pytest.raises(StopIteration):
            wait.next(numbers)
        bad = tf.data.Dataset.range(1).map(lambda x: tf.debugging.check_numerics(0 / x, "bad"))
        with pytest.raises(tf.errors.InvalidArgumentError, match="bad"):
            wait.next(iter(bad))


def test_what_never_comes_ends_the_wait_at_the_limit():
    begun = time.monotonic()
    expected = pytest.raises(LostInputError, match="InputWait.patience = 1 s.*same command")
    with (
        Interruption() as interruption,
        InputWait(interruption, patience=1.0) as wait,
        expected as error,
    ):
        wait.next(never())
    assert 1 <= time.monotonic() - begun < 20
    assert error.value.exit_code == 69


def test_a_process_that_was_stopped_has_not_waited(monkeypatch):
    """As by Ctrl-Z: `time.monotonic` goes on meanwhile."""
    real, stopped = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + stopped[0])
    queue = tf.queue.FIFOQueue(1, tf.int64, ())
    late = iter(tf.data.Dataset.range(1).map(lambda _: queue.dequeue()))

    def stop():
        stopped[0] += 3600.0
        time.sleep(1.0)
        queue.enqueue(7)

    with Interruption() as interruption, InputWait(interruption, patience=30.0) as wait:
        threading.Timer(0.5, stop).start()
        assert int(wait.next(late)) == 7


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_wait(signum, code):
    with Interruption() as interruption, InputWait(interruption) as wait:
        interruption.under_way()
        threading.Timer(0.5, os.kill, (os.getpid(), signum)).start()
        begun = time.monotonic()
        with pytest.raises(StoppedWaitingError):
            wait.next(never())
        assert time.monotonic() - begun < 20
        assert interruption.exit_code == code


def test_of_several_processes_one_waits_a_little_for_a_step_that_all_can_take():
    batches = (time.sleep(1.5) or x for x in itertools.count())
    with Interruption() as interruption, InputWait(interruption, together=True) as wait:
        interruption.under_way()
        os.kill(os.getpid(), signal.SIGTERM)
        assert wait.next(batches) == 0
        with pytest.raises(StoppedWaitingError):
            wait.next(never())


@pytest.mark.parametrize("patience", [0, -1, "60", None, True, float("inf"), float("nan")])
def test_limits_are_positive_numbers(patience):
    with pytest.raises(UserError, match="InputWait.patience.*positive number of seconds"):
        InputWait(Interruption(), patience=patience)


def test_part_of_a_step_is_undone():
    average = tf.Variable([1.0, 2.0], trainable=False)
    with undone_unless_whole([average]):
        average.assign_add([1.0, 1.0])
    assert average.numpy().tolist() == [2.0, 3.0]
    with pytest.raises(LostInputError), undone_unless_whole([average]):
        average.assign_add([1.0, 1.0])
        raise LostInputError("no batch")
    assert average.numpy().tolist() == [2.0, 3.0]
