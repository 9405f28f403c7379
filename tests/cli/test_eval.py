"""The command brave_tf_eval."""

import json
import shutil
import sys

import command
import numpy as np
import pytest
import tensorflow as tf
import untrained_run

from brave_tf.cli import eval as eval_command
from brave_tf.cli import export as export_command
from brave_tf.evaluation.tasks import registry
from brave_tf.objectives.base import Objective
from brave_tf.training import checkpoints, recipe

FAST = (
    "--gin_bindings=eval_windows.train_passes = 2",
    "--gin_bindings=eval_windows.temporal_crops = 2",
)
QUICK = """
import os
import signal
import time

import gin
from brave_tf.evaluation.protocols.outcome import Outcome
from brave_tf.evaluation.tasks.registry import Task, register_task

@gin.configurable
def quick(probe, data_dir, top1=0.25):
    return Outcome({"top1": top1}, {"train": 1, "test": 1, "missing": 0}, {})

def broken(probe, data_dir):
    raise RuntimeError("the protocol broke")

def preempted(probe, data_dir):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)

def saved(probe, data_dir):
    raise SystemExit(143)

register_task(Task("mine/quick", "rgb", quick, "measures nothing"))
register_task(Task("mine/broken", "rgb", broken, "fails"))
register_task(Task("mine/preempted", "rgb", preempted, "is stopped"))
register_task(Task("mine/saved", "rgb", saved, "is stopped as training is"))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `records`, a run `model` and its export `exported`."""
    folder = tmp_path_factory.mktemp("eval")
    model_dir = untrained_run.write_run(folder)
    output = f"--output={folder / 'exported'}"
    assert command.run(export_command, f"--model_dir={model_dir}", output) == 0
    return folder


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The flag for tasks from outside the package: mine/quick, mine/broken and others."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "my_quick_tasks.py").write_text(QUICK)
    (folder / "mine.gin").write_text("import my_quick_tasks\n")
    registry.list_tasks()  # Otherwise those of the package would go with these.
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(registry, "_TASKS", dict(registry._TASKS))
        yield f"--gin_file={folder / 'mine.gin'}"


def read(path):
    content = json.loads((path / "results.json").read_text())
    assert content["format"] == 1
    return content["results"]


def evaluate(folder, *arguments):
    return command.run(eval_command, f"--data={folder / 'records'}", *FAST, *arguments)


def test_results_of_a_run_and_of_its_export_are_the_same(folder, tmp_path, capsys):
    tasks = "--task=folder/linear,folder/knn,folder/linear_audio"
    assert evaluate(folder, tasks, f"--model_dir={folder / 'model'}") == 0
    table = capsys.readouterr().out
    arguments = (tasks, f"--model={folder / 'exported'}", f"--output={tmp_path}")
    assert evaluate(folder, *arguments, "--nokeep_features") == 0

    video, knn, audio = read(folder / "model" / "eval")
    assert (video["task"], video["view"]) == ("folder/linear", "narrow")
    assert (audio["task"], audio["view"]) == ("folder/linear_audio", "broad_audio")
    assert video["model"] == str(folder / "model")
    assert video["baseline"] is None
    assert video["step"] == audio["step"] == 2
    assert video["clips"] == {"train": 12, "test": 12, "missing": 0}
    assert video["seconds"] > 0
    assert video["settings"]["num_frames"] == 8  # twice the narrow view's
    assert video["settings"]["train_passes"] == 2
    for result in (video, knn, audio):
        assert 0 <= result["metrics"]["top1"] <= result["metrics"]["top5"] == 1
        low, high = result["metrics"]["top1_ci95"]
        assert low <= result["metrics"]["top1"] <= high
        assert f"{100 * result['metrics']['top1']:.1f} [{100 * low:.1f}, {100 * high:.1f}]" in table
        with np.load(folder / "model" / "eval" / result["predictions"]) as predictions:
            hits = predictions["decisions"].argmax(1) == predictions["labels"]
        assert result["metrics"]["top1"] == hits.mean()
    of_export = read(tmp_path)
    assert [r["metrics"] for r in of_export] == [r["metrics"] for r in (video, knn, audio)]
    assert [r["step"] for r in of_export] == [2, 2, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions", "results.json"]


def test_features_are_kept_for_other_tasks(folder, tmp_path, capsys, monkeypatch):
    once = (f"--model_dir={folder / 'model'}", f"--output={tmp_path}")
    assert evaluate(folder, *once, "--task=folder/linear") == 0
    assert f"MB are kept in {tmp_path / 'features'} for other tasks" in capsys.readouterr().out
    before = read(tmp_path)

    def never(*arguments, **kwargs):
        raise AssertionError("features were computed again")

    monkeypatch.setattr(Objective, "embed", never)
    assert evaluate(folder, *once, "--task=folder/retrieval,folder/knn,folder/linear") == 0
    retrieval, knn, linear = read(tmp_path)
    assert linear["metrics"] == before[0]["metrics"]
    assert set(retrieval["metrics"]) >= {"R@1", "R@5", "R@50", "R@1_ci95"}


def test_results_are_replaced_by_those_of_the_same_kind_only(folder, tmp_path, quick):
    once = ("--task=mine/quick", quick, f"--model_dir={folder / 'model'}", f"--output={tmp_path}")
    assert evaluate(folder, *once) == 0
    assert evaluate(folder, *once, "--baseline=random") == 0
    assert evaluate(folder, *once, "--gin_bindings=quick.top1 = 0.5") == 0
    random, trained = read(tmp_path)
    assert (random["baseline"], random["step"], random["metrics"]) == ("random", 0, {"top1": 0.25})
    assert (trained["baseline"], trained["step"], trained["metrics"]) == (None, 2, {"top1": 0.5})
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.long
def test_a_function_of_ones_own_is_evaluated(folder, tmp_path, monkeypatch):
    (tmp_path / "my_features.py").write_text(
        "import tensorflow as tf\n"
        "def embed(video):\n"
        "    return tf.concat([tf.reduce_mean(video, [1, 2, 3]), video[:, 0, 0, 0]], axis=1)\n"
    )
    monkeypatch.chdir(tmp_path)
    view = ("num_frames = 4", "frame_step = 1", "frame_rate = 10.0", "size = 16")
    bindings = [f"--gin_bindings=RgbView.{each}" for each in view]
    arguments = ("--task=folder/knn", "--function=my_features:embed", *bindings)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert evaluate(folder, *arguments) == 0
    (result,) = read(tmp_path / "runs" / "my_features-embed" / "eval")
    assert (result["model"], result["view"], result["step"]) == ("my_features:embed", "rgb", None)
    assert result["settings"]["num_frames"] == 4  # those of RgbView, not twice as many
    assert result["predictions"].startswith("predictions/folder-knn-rgb-unknown-")


def test_checkpoints_are_watched(folder, tmp_path, capsys, quick):
    model = tmp_path / "model"
    shutil.copytree(folder / "model", model, ignore=shutil.ignore_patterns("eval"))
    objective = recipe.load_run(str(model)).objective
    checkpoints.save_weights(objective, str(model), 9)
    (damaged,) = (model / "checkpoints").glob("step-2.data*")
    damaged.write_bytes(damaged.read_bytes()[:-10])
    once = (f"--model_dir={model}", "--task=mine/quick", quick, "--watch")
    assert evaluate(folder, *once) == 0
    assert "step 2 is passed over: " in capsys.readouterr().out
    (result,) = read(model / "eval")
    assert result["step"] == 9
    shutil.rmtree(model / "tensorboard")
    checkpoints.save_weights(objective, str(model), 12)
    assert evaluate(folder, *once) == 0
    again, new = read(model / "eval")
    assert (again, new["step"]) == (result, 12)  # what is done is not done again
    points = [
        (event.step, value.tag, float(tf.make_ndarray(value.tensor)))
        for path in (model / "tensorboard" / "eval").iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]
    assert sorted(points) == [(9, "eval/mine/quick/top1", 0.25), (12, "eval/mine/quick/top1", 0.25)]


@pytest.mark.long
@pytest.mark.parametrize("keep", [True, False])
def test_features_of_watched_checkpoints_are_kept_when_asked_for(folder, tmp_path, keep):
    flags = ("--watch", *(["--keep_features"] if keep else []))
    output = f"--output={tmp_path}"
    model = f"--model_dir={folder / 'model'}"
    assert evaluate(folder, model, output, "--task=folder/knn_audio", *flags) == 0
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"predictions", "results.json"} | ({"features"} if keep else set())
    if keep:
        assert [path.name for path in (tmp_path / "features").iterdir()] == ["step-2"]


def test_a_failing_task_leaves_the_others_results(folder, tmp_path, capsys, quick):
    tasks = ("--task=mine/broken,mine/quick", quick)
    code = evaluate(
        folder, *tasks, f"--model_dir={folder / 'model'}", f"--output={tmp_path / 'out'}"
    )
    assert code == 1
    assert [result["task"] for result in read(tmp_path / "out")] == ["mine/quick"]
    assert "mine/broken: the protocol broke" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["preempted", "saved"])
def test_preemption_keeps_what_is_done(folder, tmp_path, capsys, quick, task):
    tasks = (f"--task=mine/quick,mine/{task},mine/broken", quick)
    model = f"--model_dir={folder / 'model'}"
    assert evaluate(folder, *tasks, model, f"--output={tmp_path / 'out'}") == 143
    assert [result["task"] for result in read(tmp_path / "out")] == ["mine/quick"]
    shown = capsys.readouterr()
    assert "start the same command again, it keeps what is done" in shown.out
    assert "broke" not in shown.err


def test_list_shows_every_task(capsys):
    assert command.run(eval_command, "--list") == 0
    shown = capsys.readouterr().out
    for dataset in ("demo", "folder"):
        assert f"\n{dataset} (" in shown
        for protocol in ("linear", "linear_audio", "linear_flow", "knn", "retrieval", "finetune"):
            assert f"\n  {dataset}/{protocol} " in shown
    assert "mean of the 3 official splits: R@1, R@5, R@10, R@20, R@50\n" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task=folder/linear", "--model_dir={run}", "--model={run}"], "give one of"),
        (["--task=folder/linear", "--model=nowhere"], "brave_tf_export"),
        (
            ["--task=folder/linear", "--model={export}", "--baseline=random"],
            "random without --model_dir:",
        ),
        (["--task=folder/linear", "--model={export}", "--watch"], "--watch follows"),
        (["--task=folder/linear", "--model_dir={run}", "--watch", "--checkpoint=2"], "--watch"),
        (["--task=folder/knn", "--model_dir={run}", "--function=a:b"], "give one of"),
        (["--task=folder/knn", "--function=nowhere_at_all:embed"], "--function=nowhere_at_all:"),
        (["--task=folder/linear", "--model_dir={run}", "--view=narow"], "Did you mean narrow"),
        (["--task=folder/linear_audio", "--model_dir={run}", "--view=narrow"], "broad_audio"),
        (["--task=folder/linear", "--model_dir={run}", "--data=nowhere"], "nowhere"),
        (["--task=folder/linear", "--model_dir={run}", "--gin_bindings=linear_svm.D = 1"], "'D'"),
        (["--task=folder/linear", "--model_dir={run}", "--gin_bindings=linear_svm.C = 0"], "C = 0"),
    ],
)
def test_mistakes_are_named(folder, tmp_path, capsys, arguments, message):
    places = {"run": folder / "model", "export": folder / "exported"}
    arguments = [argument.format(**places) for argument in arguments]
    assert evaluate(folder, f"--output={tmp_path / 'out'}", *arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out" / "results.json").exists()
