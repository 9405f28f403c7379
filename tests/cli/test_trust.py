"""Commands that are given the folder of a stranger's model or run: nothing in it is run."""

import sys

import command
import gin
import hostile_configs
import numpy as np
import pytest
import reported

from brave_tf.cli import embed, export, report
from brave_tf.cli import eval as evaluate

MODULE = hostile_configs.MODULE
ATTACKS = ["a call of the system", "a module beside it", "an included file beside it"]
COMMANDS = {
    "embed a model": (embed, "--model=model", "--input=films", "--output=features.npz"),
    "embed a run": (embed, "--model_dir=model", "--input=films", "--output=features.npz"),
    "evaluate a model": (evaluate, "--task=folder/knn", "--model=model", "--data=films"),
    "evaluate a run": (evaluate, "--task=folder/knn", "--model_dir=model", "--data=films"),
    "watch a run": (evaluate, "--task=folder/knn", "--model_dir=model", "--data=films", "--watch"),
    "export a run": (export, "--model_dir=model", "--output=exported"),
    "export weights of a run": (export, "--model_dir=model", "--output=w.npy", "--format=deepmind"),
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    named = sys.modules.get("brave_tf.configuration.trust")
    if named is not None:
        monkeypatch.setattr(named, "_named", set())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    yield
    sys.modules.pop(MODULE, None)
    gin.clear_config()


def write(folder, text):
    model = hostile_configs.write(folder, text)
    (model / "checkpoints").mkdir()
    (model / "checkpoints" / "step-2.json").write_text("{}")  # So that --watch sees a run.
    return model


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_configuration_of_a_folder_is_data(tmp_path, monkeypatch, capsys, name, attack):
    monkeypatch.setattr("brave_tf.evaluation.watch.WatchedRun.steps", lambda run: [2])
    write(tmp_path, hostile_configs.CONFIGS[attack])
    module, *arguments = COMMANDS[name]
    assert command.run(module, *arguments) == 2
    assert not (tmp_path / hostile_configs.MARKER).exists()
    assert "refused as the configuration of a model" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_module_that_is_named_is_imported(tmp_path, monkeypatch, capsys, name):
    monkeypatch.setattr("brave_tf.evaluation.watch.WatchedRun.steps", lambda run: [2])
    write(tmp_path, hostile_configs.CONFIGS["a module beside it"])
    module, *arguments = COMMANDS[name]
    command.run(module, *arguments)
    assert f"--trust={MODULE}" in capsys.readouterr().err
    assert not (tmp_path / hostile_configs.MARKER).exists()
    command.run(module, *arguments, f"--trust={MODULE}")
    assert f"--trust={MODULE}" not in capsys.readouterr().err
    assert (tmp_path / hostile_configs.MARKER).exists()


def test_a_report_runs_nothing_of_a_recipe_that_lies_where_it_is_made(tmp_path):
    """A name of the paper's recipes in a configuration is not that of a file of the stranger."""
    config = "RECIPE = 'as_v_fa'\nimport brave_tf.training.recipe\n"
    model = write(tmp_path, config)
    (tmp_path / "as_v_fa").write_text(f"import {MODULE}\n")
    assert command.run(report, "model") == 0
    assert (model / "report" / "index.html").is_file()
    assert not (tmp_path / hostile_configs.MARKER).exists()


@pytest.mark.parametrize("attack", hostile_configs.CONFIGS)
def test_a_report_on_a_run_runs_nothing(tmp_path, attack):
    write(tmp_path, "RECIPE = 'as_v_fa'\n" + hostile_configs.CONFIGS[attack])
    assert command.run(report, "model") in (0, 2)
    assert not (tmp_path / hostile_configs.MARKER).exists()
    assert MODULE not in sys.modules


def test_what_a_run_calls_things_is_text_on_the_page(tmp_path):
    """A page that is opened runs no script of a stranger's."""
    script = "<script>alert(1)</script><img src=x onerror=alert(1)>\"' onload=alert(1)"
    found = reported.result(
        f"a/{script}", 0.5, view=script, model=script, baseline=script,
        metrics={"top1": 0.5, script: 0.5}, settings={"data": script, script: script},
    )  # fmt: skip
    model = reported.write_run(
        tmp_path / script.replace("/", ""), [found, reported.result(script, 0.5)]
    )
    reported.write_scalars(model / "tensorboard" / "a<script>", {script: {1: 2.0}})
    assert command.run(report, str(model), "--output=page") == 0
    page = (tmp_path / "page" / "index.html").read_text().lower()
    assert "&lt;script" in page and "<script" not in page and "<img src=x" not in page


@pytest.mark.parametrize("text", ["[" * 10**6, '{"format": ' * 10**5, "\0", "\udcff"])
def test_results_that_are_none_are_a_message(tmp_path, capsys, text):
    model = reported.write_run(tmp_path / "run", [reported.result("demo/knn", 0.5)])
    (model / "eval" / "results.json").write_text(text, errors="surrogateescape")
    (model / "run.json").write_text(text, errors="surrogateescape")
    assert command.run(report, str(model)) == 2
    assert "holds no evaluation results" in capsys.readouterr().err


def test_predictions_with_python_objects_are_not_unpickled(tmp_path):
    class Attack:
        def __reduce__(self):
            return exec, (f"import pathlib; pathlib.Path({hostile_configs.MARKER!r}).touch()",)

    found = reported.result("demo/knn", 0.5, predictions="predictions.npz")
    model = reported.write_run(tmp_path / "run", [found])
    objects = np.array([Attack()], object)
    np.savez(model / "eval" / "predictions.npz", kind=objects, keys=objects, labels=objects)
    command.run(report, str(model))
    assert not (tmp_path / hostile_configs.MARKER).exists()
