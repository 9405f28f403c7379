"""Processes of a run compare what they are told to do; tests/training/test_multi_worker.py has several."""

import json

import gin
import pytest
import tensorflow as tf

from brave_tf import errors
from brave_tf.training import agreement, settings, workers

PAIR = workers.Workers(("a:1", "b:2"), 1)


def hears(monkeypatch, text, differing=0):
    monkeypatch.setattr(agreement, "told_by_chief", lambda *_: text)
    monkeypatch.setattr(agreement, "total", lambda strategy, workers, own: [own[0] + differing])


def version(number):
    return f"version.brave_tf = {number!r}\n"


@pytest.mark.parametrize(
    ("chief", "differing", "expected"),
    [
        (version("0.0"), 0, r"process 1, b:2, has .*version.brave_tf: '0.0' -> "),
        (
            version(agreement.brave_tf.__version__),
            1,
            "1 of the other processes .* their own messages",
        ),
    ],
)
def test_what_differs_is_named(monkeypatch, chief, differing, expected):
    hears(monkeypatch, chief, differing)
    with pytest.raises(errors.UserError, match=expected):
        agreement.check_agreement(tf.distribute.get_strategy(), PAIR)


def test_processes_that_agree_go_on(monkeypatch):
    assert settings.Settings  # Makes its bindings known.
    gin.parse_config("train.num_steps = 6")
    hears(monkeypatch, version(agreement.brave_tf.__version__) + "train.num_steps = 6\n")
    agreement.check_agreement(tf.distribute.get_strategy(), PAIR)
    agreement.check_agreement(tf.distribute.get_strategy(), workers.ONE)


def test_the_text_of_the_chief_comes_as_it_is():
    text = "name = 'Größe'\n" * 100
    assert agreement.told_by_chief(tf.distribute.get_strategy(), workers.ONE, text) == text


def test_processes_with_other_clips_in_their_rows_do_not_begin(monkeypatch):
    rows = {"count": 12, "digest": "a"}
    strategy = tf.distribute.get_strategy()
    hears(monkeypatch, json.dumps(rows))
    agreement.check_same_rows(strategy, PAIR, rows)
    agreement.check_same_rows(strategy, PAIR, None)
    for other in ({"count": 11, "digest": "a"}, {"count": 12, "digest": "b"}):
        with pytest.raises(errors.UserError, match="1 processes of the run read other clips"):
            agreement.check_same_rows(strategy, PAIR, other)
    # One that agrees with the chief hears of the others.
    hears(monkeypatch, json.dumps(rows), differing=1)
    with pytest.raises(errors.UserError, match="1 processes of the run read other clips"):
        agreement.check_same_rows(strategy, PAIR, rows)
