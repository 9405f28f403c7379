"""The command brave_tf_eval."""

import json

import command
import pytest
import untrained_run

from brave_tf.cli import eval as eval_command
from brave_tf.cli import export as export_command

FAST = (
    "--gin_bindings=linear_svm.train_passes = 2",
    "--gin_bindings=linear_svm.temporal_crops = 2",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `records`, a run `model` and its export `exported`."""
    folder = tmp_path_factory.mktemp("eval")
    model_dir = untrained_run.write_run(folder)
    output = f"--output={folder / 'exported'}"
    assert command.run(export_command, f"--model_dir={model_dir}", output) == 0
    return folder


def read(path):
    content = json.loads((path / "results.json").read_text())
    assert content["format"] == 1
    return content["results"]


def evaluate(folder, *arguments):
    return command.run(eval_command, f"--data={folder / 'records'}", *FAST, *arguments)


def test_results_of_a_run_and_of_its_export_are_the_same(folder, tmp_path, capsys):
    tasks = "--task=folder/linear,folder/linear_audio"
    assert evaluate(folder, tasks, f"--model_dir={folder / 'model'}") == 0
    table = capsys.readouterr().out
    assert evaluate(folder, tasks, f"--model={folder / 'exported'}", f"--output={tmp_path}") == 0

    video, audio = read(folder / "model" / "eval")
    assert (video["task"], video["view"]) == ("folder/linear", "narrow")
    assert (audio["task"], audio["view"]) == ("folder/linear_audio", "broad_audio")
    assert video["model"] == str(folder / "model")
    assert video["baseline"] is None
    assert video["step"] == audio["step"] == 2
    assert video["clips"] == {"train": 12, "test": 12, "missing": 0}
    assert video["seconds"] > 0
    assert video["settings"]["num_frames"] == 8  # twice the narrow view's
    assert video["settings"]["train_passes"] == 2
    for result in (video, audio):
        assert 0 <= result["metrics"]["top1"] <= result["metrics"]["top5"] == 1
        low, high = result["metrics"]["top1_ci95"]
        assert low <= result["metrics"]["top1"] <= high
        assert f"{100 * result['metrics']['top1']:.1f}" in table
    of_export = read(tmp_path)
    assert [r["metrics"] for r in of_export] == [video["metrics"], audio["metrics"]]
    assert [r["step"] for r in of_export] == [2, 2]


def test_results_are_replaced_by_those_of_the_same_kind_only(folder, tmp_path):
    once = ("--task=folder/linear", f"--model_dir={folder / 'model'}", f"--output={tmp_path}")
    assert evaluate(folder, *once) == 0
    assert evaluate(folder, *once, "--baseline=random") == 0
    assert evaluate(folder, *once, "--gin_bindings=linear_svm.C = 0.5") == 0
    random, trained = read(tmp_path)
    assert (random["baseline"], random["step"]) == ("random", 0)
    assert (trained["baseline"], trained["step"]) == (None, 2)
    assert trained["settings"]["C"] == 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_failing_task_leaves_the_others_results(folder, tmp_path, capsys, monkeypatch):
    (tmp_path / "my_tasks.py").write_text(
        "from brave_tf.evaluation.registry import Task, register_task\n"
        "def broken(probe, data_dir):\n"
        "    raise RuntimeError('the protocol broke')\n"
        "register_task(Task('mine/broken', 'rgb', broken, 'fails'))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.gin").write_text("import my_tasks\n")
    code = evaluate(
        folder,
        "--task=mine/broken,folder/linear",
        f"--gin_file={tmp_path / 'mine.gin'}",
        f"--model_dir={folder / 'model'}",
        f"--output={tmp_path / 'out'}",
    )
    assert code == 1
    assert [result["task"] for result in read(tmp_path / "out")] == ["folder/linear"]
    assert "mine/broken: the protocol broke" in capsys.readouterr().err


def test_list_shows_every_task(capsys):
    assert command.run(eval_command, "--list") == 0
    shown = capsys.readouterr().out
    for dataset in ("demo", "folder"):
        for protocol in ("linear", "linear_audio", "linear_flow"):
            assert f"{dataset}/{protocol} " in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model_dir={run}"], "--task is missing"),
        (["--task=folder/linear"], "--model_dir"),
        (["--task=folder/linear", "--model_dir={run}", "--model={run}"], "give one of"),
        (["--task=folder/linaer", "--model_dir={run}"], "Did you mean folder/linear"),
        (["--task=folder/linear", "--model_dir=nowhere"], "nowhere/config.gin was not found"),
        (["--task=folder/linear", "--model=nowhere"], "brave_tf_export"),
        (["--task=folder/linear", "--model={export}", "--baseline=random"], "--model_dir"),
        (["--task=folder/linear", "--model_dir={run}", "--view=narow"], "Did you mean narrow"),
        (["--task=folder/linear_audio", "--model_dir={run}", "--view=narrow"], "broad_audio"),
        (["--task=folder/linear_flow", "--model_dir={run}"], "probes flow"),
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


def test_data_is_asked_for_when_a_task_has_none(folder, capsys):
    code = command.run(eval_command, "--task=folder/linear", f"--model_dir={folder / 'model'}")
    assert code == 2
    assert "folder/linear needs --data" in capsys.readouterr().err
