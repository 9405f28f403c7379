"""Signals that ask a run to stop."""

import os
import signal

import pytest

from brave_tf.training.interruption import (
    HUNG_UP,
    INTERRUPTED,
    PREEMPTED,
    Interruption,
    SharedInterruption,
)

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def send(*signals):
    for each in signals:
        os.kill(os.getpid(), each)


@pytest.mark.parametrize("signum", CODES)
def test_a_signal_is_a_request_while_a_run_is_under_way(signum, capfd):
    with Interruption() as interruption:
        interruption.under_way()
        assert interruption.exit_code is None
        send(signum)
        assert interruption.exit_code == CODES[signum]
    assert f"{signum.name}: stopping after this step" in capfd.readouterr().out
    assert list(CODES.values()) == [INTERRUPTED, PREEMPTED, HUNG_UP]


@pytest.mark.parametrize(
    ("signum", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit)],
)
def test_before_the_first_step_it_ends_the_process(signum, error):
    with pytest.raises(error) as ended, Interruption():
        send(signum)
    if error is SystemExit:
        assert ended.value.code == CODES[signum]


@pytest.mark.parametrize("first", CODES)
def test_only_ctrl_c_aborts_while_a_run_is_stopping(first):
    with Interruption() as interruption:
        interruption.under_way()
        send(first, signal.SIGTERM, signal.SIGHUP)
        assert interruption.exit_code == CODES[first]
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_handlers_are_put_back():
    before = [signal.getsignal(each) for each in CODES]
    with Interruption():
        assert [signal.getsignal(each) for each in CODES] != before
    assert [signal.getsignal(each) for each in CODES] == before


def test_where_nothing_looks_at_signals_they_end_the_process_by_themselves():
    with Interruption() as interruption:
        handlers = [signal.getsignal(each) for each in CODES]
        with interruption.at_once():
            assert [signal.getsignal(each) for each in CODES] == [signal.SIG_DFL] * 3
        assert [signal.getsignal(each) for each in CODES] == handlers


def test_nohup_has_a_run_outlive_its_terminal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            interruption.under_way()
            send(signal.SIGHUP)
            assert interruption.exit_code is None
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [
        ([None, None], None),
        ([None, INTERRUPTED], INTERRUPTED),
        ([PREEMPTED, None], PREEMPTED),
        ([INTERRUPTED, PREEMPTED], PREEMPTED),
        ([HUNG_UP, None], HUNG_UP),
    ],
)
def test_processes_stop_after_the_same_step(asked, agreed):
    each_says = [
        [float(code == kind) for kind in (PREEMPTED, INTERRUPTED, HUNG_UP)] for code in asked
    ]
    sums = [sum(column) for column in zip(*each_says)]
    for code, says in zip(asked, each_says):
        own = Interruption()
        own.exit_code = code

        def total(numbers, says=says):
            assert numbers == says
            return sums

        shared = SharedInterruption(own, total)
        assert shared.exit_code is None
        shared.under_way()
        assert shared.exit_code == agreed
        assert own.exit_code == agreed
