"""Signals that ask a run to stop."""

import os
import signal

import pytest

from brave_tf.training.interruption import INTERRUPTED, PREEMPTED, Interruption

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


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
    assert CODES == {signal.SIGINT: INTERRUPTED, signal.SIGTERM: PREEMPTED}


@pytest.mark.parametrize(
    ("signum", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_before_the_first_step_it_ends_the_process(signum, error):
    with pytest.raises(error) as ended, Interruption():
        send(signum)
    if error is SystemExit:
        assert ended.value.code == 143


@pytest.mark.parametrize("first", CODES)
def test_only_ctrl_c_aborts_while_a_run_is_stopping(first):
    with Interruption() as interruption:
        interruption.under_way()
        send(first, signal.SIGTERM)
        assert interruption.exit_code == CODES[first]
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_handlers_are_put_back():
    before = [signal.getsignal(each) for each in CODES]
    with Interruption():
        assert [signal.getsignal(each) for each in CODES] != before
    assert [signal.getsignal(each) for each in CODES] == before
