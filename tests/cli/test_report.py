"""The command brave_tf_report."""

import command
import html_page
import pytest
import reported
import untrained_run

from brave_tf.cli import eval as eval_command
from brave_tf.cli import report


@pytest.fixture
def run(tmp_path):
    return reported.write_run(tmp_path / "run", [reported.result("demo/linear", 0.8)])


def test_a_report_beside_the_run_or_elsewhere(run, tmp_path, capsys):
    assert command.run(report, str(run)) == 0
    assert str(run / "report" / "index.html") in capsys.readouterr().out
    other = reported.write_run(tmp_path / "other", [reported.result("demo/linear", 0.6)])
    assert command.run(report, str(run), str(other), f"--output={tmp_path / 'both'}") == 0
    page = html_page.Page(tmp_path / "both" / "index.html")
    assert "Runs: run, other" in page.data
    assert "80.0 (75.0–85.0)" in page.data and "60.0 (55.0–65.0)" in page.data
    assert (tmp_path / "both" / "report.md").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no RUN was given"),
        (["nowhere"], "nowhere holds no run"),
        (["{run}", "--output={run}/config.gin"], "cannot be written"),
        (["{run}", "--outptu=x"], "--output"),
    ],
)
def test_mistakes_are_named(run, capsys, arguments, message):
    assert command.run(report, *(argument.format(run=run) for argument in arguments)) == 2
    shown = capsys.readouterr().err
    assert message in shown and "Traceback" not in shown


@pytest.mark.long
def test_what_an_evaluation_leaves_is_shown(tmp_path):
    model_dir = untrained_run.write_run(tmp_path)
    reported.write_scalars(model_dir / "tensorboard" / "train", {"loss": {1: 2.0, 2: 1.0}})
    fast = [
        f"--gin_bindings=eval_windows.{name} = 1" for name in ("train_passes", "temporal_crops")
    ]
    tasks = ("--task=folder/knn,folder/knn_audio", f"--data={tmp_path / 'records'}")
    assert command.run(eval_command, *tasks, f"--model_dir={model_dir}", *fast) == 0
    assert command.run(report, str(model_dir)) == 0
    page = html_page.Page(model_dir / "report" / "index.html")
    page.check_self_contained()
    for task in ("folder/knn (records, test)", "folder/knn_audio (records, test)"):
        assert task in page.data
    assert "of 12 clips right" in page.data
    # Six clips beside their five nearest, by frames and by sound.
    assert page.count(class_="asked") == 12
    assert page.count(class_="hit") + page.count(class_="miss") == 60
