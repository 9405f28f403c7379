"""What TF_CONFIG says of the processes of a run, and what they say to each other."""

import json

import pytest
import tensorflow as tf
from replicas import two_replicas

from brave_tf.errors import UserError
from brave_tf.training import workers


def tf_config(monkeypatch, cluster, kind="worker", index=0):
    config = {"cluster": cluster, "task": {"type": kind, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))


def test_the_chief_is_the_first(monkeypatch):
    tf_config(monkeypatch, {"worker": ["a:1", "b:2"]}, index=1)
    found = workers.read_workers()
    assert (found.addresses, found.index, found.chief, found.several) == (
        ["a:1", "b:2"],
        1,
        False,
        True,
    )
    tf_config(monkeypatch, {"worker": ["a:1", "b:2"], "chief": ["c:3"]}, index=1)
    assert workers.read_workers() == (["c:3", "a:1", "b:2"], 2)
    tf_config(monkeypatch, {"worker": ["a:1", "b:2"], "chief": ["c:3"]}, "chief")
    assert workers.read_workers().chief


@pytest.mark.parametrize("text", ["", " ", "{}", '{"cluster": {}}', None])
def test_without_a_cluster_a_process_is_alone(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    alone = workers.read_workers()
    assert alone.chief and not alone.several


@pytest.mark.parametrize(
    "text",
    [
        "worker: a",
        "[1]",
        '{"cluster": {"worker": ["a:1", "b:2"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "x"}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:2"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_cluster_that_cannot_be_used_is_refused_with_an_example(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match='TF_CONFIG = .* such as {"cluster": {"worker"'):
        workers.read_workers()


TWO = workers.Workers(["a:1", "b:2"], 0)
LOST = [
    tf.errors.UnavailableError(
        None, None, "top\nCollective ops is aborted by: heartbeat timeout\n"
    ),
    tf.errors.InternalError(None, None, "Collective ops is aborted by: heartbeat timeout"),
    tf.errors.DeadlineExceededError(None, None, "heartbeat timeout"),
]


@pytest.mark.parametrize("error", LOST)
def test_the_loss_of_a_process_is_said_and_has_its_own_exit_code(error):
    expected = r"\(b:2\) has ended .*heartbeat timeout.* resume from the last checkpoint"
    with pytest.raises(workers.LostWorkerError, match=expected) as raised:  # noqa: SIM117
        with workers.lost_workers(TWO):
            raise error
    assert raised.value.exit_code == 75


@pytest.mark.parametrize(
    ("those", "error"),
    [(workers.ONE, LOST[0]), (TWO, tf.errors.InvalidArgumentError(None, None, "shapes"))],
)
def test_other_errors_are_left_as_they_are(those, error):
    with pytest.raises(type(error)), workers.lost_workers(those):  # noqa: PT012
        raise error


def test_the_sums_of_what_one_process_says_do_not_depend_on_its_devices():
    assert workers.total(two_replicas(), workers.ONE, [3, 0, 1]) == [3, 0, 1]


def test_unequal_rows_are_no_lost_process():
    """What TensorFlow says where one process gathers 4 rows, and the others 3."""
    said = (
        "Collective ops is aborted by: Shape mismatch in the collective instance 100. Op at device "
    )
    message = "process 0 of the run gathers another number of rows"
    with pytest.raises(UserError, match=message) as raised, workers.lost_workers(TWO):
        raise tf.errors.InvalidArgumentError(None, None, said)
    assert not isinstance(raised.value, workers.LostWorkerError)
    with pytest.raises(tf.errors.InvalidArgumentError), workers.lost_workers(workers.ONE):
        raise tf.errors.InvalidArgumentError(None, None, said)
