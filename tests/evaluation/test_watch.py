"""Following the checkpoints of a run that is being trained."""

import contextlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.evaluation import watch
from brave_tf.evaluation.results import Result
from brave_tf.reporting.curves import read_curves
from brave_tf.storage.files import NotWrittenError
from brave_tf.storage.locks import is_locked, locked
from brave_tf.training import checkpoint_files
from brave_tf.training.checkpoints import FOLDER
from brave_tf.training.recipe import CONFIG_FILE
from brave_tf.training.resumption import LOCK


class Trainer:
    """A run whose checkpoints appear between two looks: each call of `wait` does the next thing."""

    def __init__(self, folder, *things):
        self.folder, self._things = folder, list(things)
        self._checkpoint = tf.train.Checkpoint(x=tf.Variable(0))
        self._training = contextlib.ExitStack()
        self.waited = 0

    def wait(self):
        self.waited += 1
        name, *values = self._things.pop(0)
        getattr(self, name)(*values)

    def begin(self):
        (self.folder / CONFIG_FILE).write_text("")
        self._training.enter_context(locked(str(self.folder / LOCK)))

    def save(self, *steps):
        for step in steps:
            checkpoint_files.write(self._checkpoint, self.folder / FOLDER, step)

    def prune(self, kept):
        checkpoint_files.prune(self.folder / FOLDER, kept, [kept])

    def end(self):
        self._training.close()


def followed(trainer, during=lambda step: None):
    run, seen = watch.WatchedRun(str(trainer.folder), trainer.wait), []
    run.await_beginning()

    def evaluate(step):
        seen.append(step)
        during(step)

    run.follow(evaluate)
    return seen


def test_checkpoints_are_evaluated_as_they_are_written(tmp_path, capsys):
    things = [("begin",), ("save", 2), ("save", 4, 6), ("save", 8), ("end",)]
    trainer = Trainer(tmp_path, *things)
    assert followed(trainer) == [2, 4, 6, 8]
    assert trainer.waited == len(things)
    assert "waiting for a run" in capsys.readouterr().out


def test_a_run_that_has_ended_is_evaluated_to_the_end(tmp_path):
    trainer = Trainer(tmp_path)
    trainer.begin()
    trainer.save(3, 1)
    trainer.end()
    assert followed(trainer) == [1, 3]
    assert trainer.waited == 0


def test_what_was_written_just_before_the_end_is_not_missed(tmp_path, monkeypatch):
    trainer = Trainer(tmp_path, ("save",))
    trainer.begin()
    steps, seen = watch.WatchedRun.steps, []

    def at_the_last_moment(run):
        found = steps(run)
        if not found:
            trainer.save(5)
            trainer.end()
        return found

    monkeypatch.setattr(watch.WatchedRun, "steps", at_the_last_moment)
    watch.WatchedRun(str(tmp_path), trainer.wait).follow(seen.append)
    assert seen == [5]


def test_pruned_checkpoints_are_passed_over(tmp_path, capsys):
    trainer = Trainer(tmp_path, ("end",))
    trainer.begin()
    trainer.save(2, 4, 6)
    seen = followed(trainer, lambda step: trainer.prune(6) if step == 2 else None)
    assert seen == [2, 6]
    assert "step 4: was deleted before it could be evaluated" in capsys.readouterr().out


def test_nothing_to_follow_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "_SECONDS_TO_BEGIN", -1.0)
    with pytest.raises(UserError, match="no checkpoint, and no process trains in it"):
        watch.WatchedRun(str(tmp_path / "nowhere")).await_beginning()


def test_a_lock_of_another_process_is_seen(tmp_path):
    path = str(tmp_path / LOCK)
    assert not is_locked(path)
    program = (
        "import sys; from brave_tf.storage.locks import locked\n"
        "with locked(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program, path], **pipes) as process:
        assert process.stdout.readline() == b"held\n"
        assert is_locked(path)
        process.kill()
    assert (tmp_path / LOCK).exists()
    assert not is_locked(path)  # left by a process that was killed


def test_metrics_go_to_the_charts_of_the_run(tmp_path):
    metrics = {"top1": 0.25, "top1_ci95": [0.1, 0.4], "splits": [], "R@5": 0.5}
    result = Result("a/knn", "m", "narrow", 30, None, metrics, {}, 1.0, {})
    for step in (30, 60, 30):
        watch.WatchedRun(str(tmp_path)).chart([result], step)
    found = []
    for path in sorted((tmp_path / "tensorboard" / "eval").glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.append((event.step, value.tag, float(tf.make_ndarray(value.tensor))))
    expected = [("eval/a/knn/top1", 0.25), ("eval/a/knn/R@5", 0.5)]
    assert sorted(found) == sorted((step, *each) for step in (30, 60) for each in expected)


def test_metrics_of_another_model_are_replaced_in_the_charts(tmp_path):
    run = watch.WatchedRun(str(tmp_path))
    for step in (30, 60):
        run.chart([knn(0.25)], step)
    before = read_curves(tmp_path / "tensorboard")["eval"]
    np.testing.assert_array_equal(before["eval/a/knn/top1"].values, [0.25, 0.25])
    run.chart([knn(0.75)], 30)
    points = []
    for path in sorted((tmp_path / "tensorboard" / "eval").glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            points += [(event.step, float(tf.make_ndarray(v.tensor))) for v in event.summary.value]
    assert sorted(points) == [(30, 0.75), (60, 0.25)]
    after = read_curves(tmp_path / "tensorboard")["eval"]["eval/a/knn/top1"]
    np.testing.assert_array_equal(after.values, [0.75, 0.25])


def knn(top1):
    return Result("a/knn", "m", "narrow", 30, None, {"top1": top1}, {}, 1.0, {})


def test_charts_that_cannot_be_written_are_told(tmp_path):
    (tmp_path / "tensorboard").touch()
    with pytest.raises(
        NotWrittenError, match="tensorboard/eval could not be written.* MB are free"
    ):
        watch.WatchedRun(str(tmp_path)).chart([knn(0.5)], 30)
