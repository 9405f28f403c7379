"""Which view a task is evaluated on, and what is kept."""

import errno
import json
import os
import re

import coloured_clips
import numpy as np
import pytest

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.evaluation import evaluate
from brave_tf.evaluation.protocols.outcome import Outcome, Predictions
from brave_tf.evaluation.tasks import registry
from brave_tf.interop.models import ModelSource

VIEWS = {
    "narrow": RgbView(),
    "broad": RgbView(num_frames=64),
    "broad_audio": AudioView(),
    "broad_flow": FlowView(),
}


@pytest.mark.parametrize(
    ("task", "requested", "expected"),
    [
        ("folder/linear", None, "narrow"),
        ("folder/linear", "broad", "broad"),
        ("folder/linear_audio", None, "broad_audio"),
        ("demo/linear_flow", None, "broad_flow"),
    ],
)
def test_a_task_takes_the_first_view_of_its_modality(task, requested, expected):
    (job,) = evaluate.plan([task], VIEWS, data_dir="somewhere", view_name=requested)
    assert (job.task.name, job.view_name, job.data_dir) == (task, expected, "somewhere")


def test_a_task_may_know_its_records():
    (job,) = evaluate.plan(["demo/linear"], VIEWS)
    assert job.data_dir == "runs/demo/records"


def run(output, protocol, step=7, baseline=None, task="some/task", **kwargs):
    task = registry.Task(task, "rgb", protocol, "for a test")
    probe = lambda name: coloured_clips.probe(view_name=name)  # noqa: E731
    jobs = [evaluate.PlannedTask(task, "narrow", "records")]
    source = ModelSource("runs/a", baseline=baseline)
    return evaluate.evaluate(jobs, probe, source=source, step=step, output=str(output), **kwargs)


def test_protocols_are_told_where_to_keep_things(tmp_path):
    def protocol(probe, data_dir):
        return Outcome(
            {"top1": 0.5}, {"train": 1}, {"data": data_dir, "at": [probe.cache, probe.output]}
        )

    (result,), failed = run(tmp_path, protocol)
    assert not failed
    assert result.settings == {"data": "records", "at": [str(tmp_path / "features"), str(tmp_path)]}
    assert (result.task, result.model, result.view, result.step) == (
        "some/task",
        os.path.realpath("runs/a"),
        "narrow",
        7,
    )
    assert result.predictions is None
    (result,), _ = run(tmp_path, protocol, cache="elsewhere")
    assert result.settings["at"] == ["elsewhere", str(tmp_path)]


@pytest.mark.parametrize(
    ("step", "baseline", "name"), [(7, None, "7"), (None, None, "unknown"), (0, "random", "random")]
)
def test_predictions_are_kept_beside_the_results(tmp_path, step, baseline, name):
    keys = np.array(["test/0"])

    def protocol(probe, data_dir):
        return Outcome({"top1": 1.0}, {}, {}, Predictions(keys, np.array([3]), keys))

    (result,), _ = run(tmp_path, protocol, step, baseline)
    assert re.fullmatch(
        rf"predictions/some-task-narrow-{name}-[0-9a-f]{{12}}\.npz", result.predictions
    )
    with np.load(tmp_path / result.predictions) as found:
        assert found["labels"].tolist() == [3]
    (entry,) = json.loads((tmp_path / "results.json").read_text())["results"]
    assert entry["predictions"] == result.predictions


def test_a_task_that_fails_is_told_and_those_after_it_are_run(tmp_path, capsys):
    def broken(probe, data_dir):
        raise UserError("the disk is full")

    done, failed = run(tmp_path, broken)
    assert (done, [str(error) for error in failed]) == ([], ["the disk is full"])
    assert "error: some/task: the disk is full" in capsys.readouterr().err


def test_results_that_cannot_be_added_to_stop_it_before_any_work(tmp_path):
    def protocol(probe, data_dir):
        raise AssertionError("the protocol ran")

    (tmp_path / "results.json").write_text(json.dumps({"other": 1}))
    with pytest.raises(UserError, match="holds no evaluation results"):
        run(tmp_path, protocol)


def test_a_full_disk_ends_it_with_one_message(tmp_path, capsys, monkeypatch):
    begun = []

    def protocol(probe, data_dir):
        begun.append(data_dir)
        return Outcome({"top1": 1.0}, {}, {})

    def full(path, contents):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("brave_tf.storage.files.write_json", full)
    task = registry.Task("some/task", "rgb", protocol, "for a test")
    jobs = [evaluate.PlannedTask(task, "narrow", name) for name in ("first", "second")]
    probe = lambda name: coloured_clips.probe(view_name=name)  # noqa: E731
    done, (error,) = evaluate.evaluate(
        jobs, probe, source=ModelSource("runs/a"), step=7, output=str(tmp_path)
    )
    assert (done, begun) == ([], ["first"])
    shown = capsys.readouterr().err
    assert f"error: some/task: {tmp_path / 'results.json'} could not be written (No space" in shown
    assert "are free on that disk" in shown and "Traceback" not in shown
    assert error.exit_code == 1
    assert not list(tmp_path.iterdir())
