"""When monitors act."""

import types

import pytest

from brave_tf import errors
from brave_tf.training.monitors.moment import Moment
from brave_tf.training.monitors.monitor import Monitor


class Watch(Monitor):
    def act(self, moment):
        pass


class Together(Watch):
    everywhere = True


def moment(step, stopping=False, **settings):
    inputs = types.SimpleNamespace(settings=types.SimpleNamespace(num_steps=20, **settings))
    return Moment(None, inputs, None, None, step, stopping)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"every_steps": 6}, [6, 12, 18]),
        ({"on_steps": (1, 7)}, [1, 7]),
        ({"at_end": True}, [20]),
        ({"every_steps": 10, "on_steps": [3], "at_end": True}, [3, 10, 20]),
        ({"every_secs": 1.0}, []),
    ],
)
def test_it_is_due_by_steps(times, expected):
    watch = Watch(**times)
    assert [step for step in range(1, 21) if watch.due(moment(step))] == expected
    assert [step for step in range(1, 20) if watch.due(moment(step, stopping=True))] == [
        step for step in expected if step < 20
    ]


def test_it_is_overdue_by_the_clock(monkeypatch):
    now = [50.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    watch, never = Watch(every_secs=2.5, every_steps=4), Watch(every_steps=4)
    for each in (watch, never):
        each.restart_clock()
    found = []
    for seconds in (52.0, 52.5, 54.0, 55.0):
        now[0] = seconds
        found.append(watch.overdue())
        if found[-1]:
            watch.restart_clock()
        assert not never.overdue()
    assert found == [False, True, False, True]


@pytest.mark.parametrize(
    ("kind", "times", "message"),
    [
        (Watch, {}, "Watch would never act: expected every_steps, every_secs, on_steps or at_end"),
        (
            Watch,
            {"every_steps": 0},
            "Watch.every_steps has 0: expected whole numbers of at least 1",
        ),
        (Watch, {"every_steps": True}, "Watch.every_steps has True"),
        (Watch, {"on_steps": [5, 2.5]}, "Watch.on_steps has 2.5"),
        (Watch, {"every_secs": -1}, "Watch.every_secs = -1: expected a positive number of seconds"),
        (Together, {"every_secs": 9.0}, "Together.every_secs = 9.0: .* every_steps or on_steps"),
    ],
)
def test_mistakes_are_named(kind, times, message):
    with pytest.raises(errors.UserError, match=message):
        kind(**times)


def test_logs_and_checkpoints_are_at_their_steps_and_at_the_last():
    often = {"log_every": 4, "checkpoint_every": 6}
    moments = [moment(step, **often) for step in range(1, 21)]
    assert [each.step for each in moments if each.logging] == [4, 8, 12, 16, 20]
    assert [each.step for each in moments if each.saving] == [6, 12, 18, 20]
    assert [each.step for each in moments if each.last] == [20]
    stopped = moment(5, stopping=True, **often)
    assert stopped.last and stopped.logging and stopped.saving
