"""Warnings about waiting for input and about memorising, given once."""

import gin
import pytest

from brave_tf import errors
from brave_tf.training.monitors.advice import Advice, Streak
from brave_tf.training.monitors.memorising import MemorisingWatch
from brave_tf.training.monitors.occasions import Occasions
from brave_tf.training.monitors.waiting import InputWatch


def test_advice_is_given_once_about_each_thing(caplog):
    advice = Advice()
    for about in ("a", "b", "a"):
        advice.give(about, f"do something about {about}")
    assert [record.getMessage()[-1] for record in caplog.records] == ["a", "b"]
    assert advice.summary() == "warned about: a, b"
    assert Advice().summary() == "no warnings"


def test_quiet_advice_is_none(caplog):
    Advice(quiet=True).give("a", "do")
    assert not caplog.records


def test_a_streak_is_broken_by_one_exception():
    streak = Streak(2)
    assert [streak.lasts("x", now) for now in (True, False, True, True, True)] == [
        *(False, False, False),
        *(True, True),
    ]


def test_the_share_is_that_of_counted_steps(caplog):
    watch, advice = InputWatch(most=0.3, patience=2), Advice()
    assert watch.share(1.0, advice) is None
    for seconds in (0.1, 0.3):
        watch.count(seconds)
    assert watch.share(0.5, advice) == pytest.approx(0.4)
    assert not caplog.records
    watch.count(3.0)
    assert watch.share(0.5, advice) == 1.0
    assert watch.mean == pytest.approx(0.7)
    (record,) = caplog.records
    for part in ("100% of the time", "brave_tf_data_service", "CPU cores"):
        assert part in record.getMessage()


def test_quick_input_is_not_warned_about(caplog):
    watch, advice = InputWatch(), Advice()
    for _ in range(10):
        watch.count(0.1)
        watch.share(1.0, advice)
    assert not caplog.records


@pytest.mark.parametrize(
    ("training", "held_out", "warned"),
    [
        ([4, 3, 2, 1, 0.5, 0.4], [4, 3, 3.5, 3.6, 3.7, 3.8], True),
        ([4, 3, 2, 1, 0.5, 0.4], [4, 3, 2.5, 2.4, 2.3, 2.2], False),
        ([4, 3, 3.2, 3.3, 3.4, 3.5], [4, 3, 3.5, 3.6, 3.7, 3.8], False),
        ([4, 3, 2, 1, 0.5, 0.4], [4, 3, 3.5, 3.6, 3.0, 3.6], False),
        ([4, 3, 2, 1, 0.5, 0.4], [4, 3, 3.01, 3.02, 3.01, 3.02], False),
    ],
)
def test_memorising_is_a_rise_while_training_falls(training, held_out, warned, caplog):
    watch, advice = MemorisingWatch(), Advice()
    for step, losses in enumerate(zip(training, held_out), 1):
        watch.compare(100 * step, *losses, advice)
    assert advice.given == (["memorising"] if warned else [])
    assert ("lowest at step 200 (3.0000)" in caplog.text) == warned


@pytest.mark.parametrize(
    ("times", "steps", "expected"),
    [(3, 9, [1, 4, 7]), (0, 5, []), (10, 3, [1, 2, 3]), (1, 5, [1]), (2, 5, [1, 4])],
)
def test_occasions_are_spread_over_the_run(times, steps, expected):
    occasions = Occasions(times, "x")
    assert [step for step in range(1, steps + 1) if occasions.due(step, steps)] == expected


def test_a_resumed_run_begins_with_an_occasion_and_missed_ones_come_once():
    occasions = Occasions(10, "x")
    assert [step for step in (25, 30, 34, 79, 80) if occasions.due(step, 100)] == [25, 34, 79]


def test_mistakes_are_named():
    with pytest.raises(errors.UserError, match="ClipPictures.times = -1: expected a whole number"):
        Occasions(-1, "ClipPictures.times")


def test_watches_are_configurable():
    gin.parse_config("InputWatch.most = 0.9\nInputWatch.patience = 1")
    watch, advice = InputWatch(), Advice()
    watch.count(0.8)
    watch.share(1.0, advice)
    assert not advice.given
