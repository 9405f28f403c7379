"""Runs are found with what belongs to them."""

import numpy as np
import pytest
import reported

from brave_tf.errors import UserError
from brave_tf.reporting.runs import load_runs
from brave_tf.reporting.tables import series_name


def test_a_run_with_its_results(tmp_path):
    entries = [
        reported.result("demo/linear", 0.8, step=6),
        reported.result("demo/linear", 0.3, step=0, baseline="random"),
        reported.result("demo/linear", 0.6, step=2),
        reported.result("audio/knn", 0.5, view="broad_audio", step=None),
    ]
    folder = reported.write_run(tmp_path / "run", entries, recipe="as_v_fa")
    (run,) = load_runs([str(folder)])
    assert (run.name, run.recipe, run.curves) == ("run", "as_v_fa", {})
    assert [entry.value for entry in run.entries] == [0.5, 0.6, 0.8, 0.3]
    assert [entry.value for entry in run.latest()] == [0.5, 0.8, 0.3]
    latest = run.latest()[1]
    assert (latest.main_metric, latest.interval) == ("top1", (0.8 - 0.05, 0.8 + 0.05))
    assert latest.metrics == {"top1": 0.8, "top5": 1.0}


def test_the_main_metric_comes_first_and_lists_are_none(tmp_path):
    classes = [{"name": "a", "ap": 0.2, "positives": 3}]
    metrics = {"map": 0.2, "map_ci95": [0.1, 0.3], "d_prime": 1.7, "classes": classes}
    entry = reported.result("audioset/mlp", 0, metrics=metrics)
    (run,) = load_runs([str(reported.write_run(tmp_path / "run", [entry]))])
    assert run.entries[0].metrics == {"map": 0.2, "d_prime": 1.7}
    assert run.entries[0].interval == (0.1, 0.3)


def test_predictions_are_found_beside_the_results(tmp_path):
    entries = [
        reported.result("a/knn", 0.5, predictions="predictions/a.npz"),
        reported.result("b/knn", 0.5, predictions="predictions/gone.npz"),
        reported.result("c/knn", 0.5),
    ]
    folder = reported.write_run(tmp_path / "run", entries)
    path = folder / "eval" / "predictions" / "a.npz"
    reported.write_predictions(path, [0], [1])
    (run,) = load_runs([str(folder)])
    assert [entry.predictions for entry in run.entries] == [path, None, None]


def test_a_folder_of_runs_with_results_beside_them(tmp_path):
    for name in ("first", "second"):
        reported.write_run(tmp_path / name)
    reported.write_run(tmp_path / "export")
    of = [reported.result("demo/linear", 0.4, model="runs/x/second", baseline="random")]
    reported.write_results(tmp_path / "eval" / "random", of)
    of = [reported.result("demo/linear", 0.9, model="runs/x/first")]
    reported.write_results(tmp_path / "eval" / "first", of)
    first, second = load_runs([str(tmp_path)])
    assert [entry.value for entry in first.entries] == [0.9]
    assert [entry.baseline for entry in second.entries] == ["random"]


def test_tasks_on_any_folder_are_told_apart_by_it(tmp_path):
    entries = [
        reported.result("folder/knn", 0.5, settings={"data": "x/cats", "test_split": "test"}),
        reported.result("folder/knn", 0.6, settings={"data": "x/cats", "test_split": "other"}),
        reported.result("hmdb51/knn", 0.7, settings={"data": "x/hmdb51", "test_split": "test"}),
    ]
    (run,) = load_runs([str(reported.write_run(tmp_path / "run", entries))])
    titles = [entry.title for entry in run.latest()]
    assert titles == ["folder/knn (cats, other)", "folder/knn (cats, test)", "hmdb51/knn"]


def test_names_tell_runs_apart_and_none_comes_twice(tmp_path):
    a, b = (reported.write_run(tmp_path / name / "last") for name in ("a", "b"))
    runs = load_runs([str(a), str(b), str(a), f"{a}/../last"])
    assert [run.name for run in runs] == ["a/last", "b/last"]


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(UserError, match=rf"{tmp_path} holds no run: .*brave_tf_train"):
        load_runs([str(tmp_path)])
    with pytest.raises(UserError, match="nowhere holds no run"):
        load_runs([str(tmp_path / "nowhere")])


def test_results_that_cannot_be_read_are_named(tmp_path):
    folder = reported.write_run(tmp_path / "run")
    (folder / "results.json").write_text("{")
    with pytest.raises(UserError, match="results.json"):
        load_runs([str(folder)])


def test_precisions_are_told_apart(tmp_path):
    entries = [
        reported.result("a/knn", top1, identity=reported.identity(precision=precision))
        for top1, precision in ((0.5, "float32"), (0.6, "mixed_bfloat16"))
    ]
    (run,) = load_runs([str(reported.write_run(tmp_path / "run", entries))])
    assert [(e.value, e.precision) for e in run.latest()] == [(0.5, None), (0.6, "mixed_bfloat16")]
    assert [series_name(run, entry) for entry in run.latest()] == ["run", "run, mixed_bfloat16"]


def test_of_two_results_of_a_step_the_later_one_is_shown(tmp_path):
    entries = [
        reported.result("a/knn", top1, identity=reported.identity(weights=weights))
        for top1, weights in ((0.9, "old"), (0.5, "new"))
    ]
    (run,) = load_runs([str(reported.write_run(tmp_path / "run", entries))])
    assert [entry.value for entry in run.latest()] == [0.5]


def test_data_of_one_name_are_told_apart(tmp_path):
    names = (("folder/knn", "x/cats", "11"), ("folder/knn", "y/cats", "22"))
    names += (("folder/knn", "z/dogs", "33"), ("hmdb51/knn", "a", "44"), ("hmdb51/knn", "b", "55"))
    names += (("ucf101/knn", "a", "44"),)
    entries = [
        reported.result(
            task,
            0.5,
            settings={"data": data, "test_split": "test"},
            identity=reported.identity(data=digest * 32),
        )
        for task, data, digest in names
    ]
    (run,) = load_runs([str(reported.write_run(tmp_path / "run", entries))])
    assert [entry.title for entry in run.latest()] == [
        "folder/knn (cats 11111111, test)",
        "folder/knn (cats 22222222, test)",
        "folder/knn (dogs, test)",
        "hmdb51/knn (a 44444444)",
        "hmdb51/knn (b 55555555)",
        "ucf101/knn",
    ]


def test_predictions_are_those_in_the_folder(tmp_path):
    secret = tmp_path / "secret.npz"
    np.savez(secret, keys=np.arange(2))
    names = ["../../secret.npz", str(secret), "link.npz", "long" * 999]
    entries = [
        reported.result("demo/knn", 0.5, step=n, predictions=name) for n, name in enumerate(names)
    ]
    folder = reported.write_run(tmp_path / "run", entries)
    (folder / "eval" / "link.npz").symlink_to(secret)
    (run,) = load_runs([str(folder)])
    assert [entry.predictions for entry in run.entries] == [None] * 4
