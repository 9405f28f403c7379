"""Runs that an earlier version wrote: gone on with, exported, looked at."""

import json

import command
import numpy as np
import pytest
import tensorflow as tf
import written_files

from brave_tf.cli import export as export_command
from brave_tf.cli import inspect as inspect_command
from brave_tf.cli import report as report_command
from brave_tf.cli import train as train_command


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the user has, as the present folder."""
    monkeypatch.chdir(written_files.unpack(tmp_path / "user"))
    return tmp_path / "user"


def test_a_run_goes_on_as_it_would_have_done(folder, capsys):
    expected = json.loads((folder / "expected.json").read_text())["resumed"]
    assert command.run(train_command, *written_files.RESUME) == 0
    shown = capsys.readouterr().out
    assert "resuming runs/mine at step 4 of 6" in shown
    _, _, told = shown.partition("differs from before (old -> new):\n")
    changes = [line for line in told.splitlines() if line.startswith("  ")]
    assert changes == ["  train.num_steps: 4 -> 6"]
    found = written_files.losses(folder / "runs/mine")
    assert found.keys() == expected.keys() == set("123456")
    for step, values in expected.items():
        assert found[step] == pytest.approx(values, rel=1e-3), step
    assert {path.name for path in (folder / "runs/mine/checkpoints").glob("step-*.index")} >= {
        "step-6.index"
    }


def test_a_run_that_is_complete_is_left_as_it_is(folder, capsys):
    before = written_files.contents(folder / "runs/mine/checkpoints")
    assert command.run(train_command, "--gin_file=recipe.gin", "--model_dir=runs/mine") == 0
    assert "differs from before" not in capsys.readouterr().out
    assert written_files.contents(folder / "runs/mine/checkpoints") == before


def test_a_run_is_exported_to_the_weights_of_its_export(folder):
    assert command.run(export_command, "--model_dir=runs/mine", "--output=again") == 0
    assert (folder / "again/config.gin").read_text() == (folder / "exported/config.gin").read_text()
    old, new = (
        tf.saved_model.load(str(folder / name / "saved_model")) for name in ("exported", "again")
    )
    assert set(old.signatures) == set(new.signatures)
    for view, weights in old.backbones.items():
        assert len(weights) == len(new.backbones[view]) > 0
        for before, after in zip(weights, new.backbones[view]):
            np.testing.assert_array_equal(before, after)


def test_the_clips_and_the_recipe_are_inspected(folder, capsys):
    assert command.run(inspect_command, "--data=records") == 0
    assert "as_v_fa" in capsys.readouterr().out
    assert command.run(inspect_command, "--gin_file=recipe.gin") == 0
    shown = capsys.readouterr().out
    assert all(view in shown for view in written_files.VIEWS)


def test_the_report_shows_the_results_of_both_models(folder):
    (folder / "results/run").rename(folder / "runs/mine/eval")
    for path in (folder / "results/export").iterdir():
        path.rename(folder / "exported" / path.name)
    results = json.loads((folder / "exported/results.json").read_text())["results"]
    assert command.run(report_command, "runs/mine", "exported", "--output=report") == 0
    tables = (folder / "report/report.md").read_text()
    for entry in results:
        rows = [line for line in tables.splitlines() if entry["task"] + " " in line]
        shown = f"{100 * entry['metrics']['top1']:.1f}"
        assert len([row for row in rows if shown in row]) == 2, (entry["task"], rows)
    page = (folder / "report/index.html").read_text()
    assert "right" in page and "down" in page
