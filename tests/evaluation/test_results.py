"""The results file and the table."""

import dataclasses
import json
import re
import threading

import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.evaluation import results
from brave_tf.evaluation.features.identity import Identity
from brave_tf.evaluation.protocols.outcome import Predictions

RESULT = results.Result(
    task="demo/linear",
    model="runs/a",
    view="narrow",
    step=100,
    baseline=None,
    metrics={"top1": 0.625, "top5": 1.0, "top1_ci95": [0.5, 0.75]},
    clips={"train": 80, "test": 16, "missing": 3},
    seconds=12.3,
    settings={"C": 1e-4},
)


def test_the_schema(tmp_path):
    results.save_result(str(tmp_path / "new"), RESULT)
    content = json.loads((tmp_path / "new" / "results.json").read_text())
    assert content == {
        "format": 1,
        "results": [
            {
                "task": "demo/linear",
                "model": "runs/a",
                "view": "narrow",
                "step": 100,
                "baseline": None,
                "metrics": {"top1": 0.625, "top5": 1.0, "top1_ci95": [0.5, 0.75]},
                "clips": {"train": 80, "test": 16, "missing": 3},
                "seconds": 12.3,
                "settings": {"C": 1e-4},
                "predictions": None,
                "identity": None,
            }
        ],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"task": "demo/other"},
        {"view": "broad"},
        {"step": 200},
        {"step": None},
        {"baseline": "random"},
        {"model": "runs/b"},
    ],
)
def test_results_of_another_kind_are_kept(tmp_path, change):
    other = dataclasses.replace(RESULT, **change)
    for result in (RESULT, other):
        results.save_result(str(tmp_path), result)
    assert results.load_results(str(tmp_path)) == [
        dataclasses.asdict(RESULT),
        dataclasses.asdict(other),
    ]


def test_a_result_of_the_same_kind_is_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    better = {**RESULT.metrics, "top1": 0.75}
    results.save_result("out", RESULT)
    results.save_result("out", dataclasses.replace(RESULT, task="demo/other"))
    again = dataclasses.replace(RESULT, metrics=better, model=str(tmp_path / "runs" / "a"))
    results.save_result("out", again)
    found = results.load_results("out")
    assert [(r["task"], r["metrics"]["top1"]) for r in found] == [
        ("demo/other", 0.625),
        ("demo/linear", 0.75),
    ]


def test_results_that_come_at_the_same_time_are_all_kept(tmp_path, monkeypatch):
    def save(task):
        results.save_result(str(tmp_path), dataclasses.replace(RESULT, task=task))

    second = threading.Thread(target=save, args=("demo/knn",))
    load = results.load_results

    def load_while_another_saves(folder):
        content = load(folder)
        if second.ident is None:
            second.start()
            second.join(0.5)
        return content

    monkeypatch.setattr(results, "load_results", load_while_another_saves)
    save("demo/linear")
    second.join()
    assert [entry["task"] for entry in load(str(tmp_path))] == ["demo/linear", "demo/knn"]
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path):
    results.save_result(str(tmp_path), RESULT)
    with pytest.raises(TypeError):
        results.save_result(str(tmp_path), dataclasses.replace(RESULT, settings={"C": {1}}, step=7))
    assert results.load_results(str(tmp_path)) == [dataclasses.asdict(RESULT)]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": 2, "results": []}',
        '{"format": 1}',
        '{"format": 1, "results": [{"task": "a/b", "model": "m", "view": "v", "step": 1}]}',
    ],
)
def test_a_file_of_something_else_is_not_touched(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=r"results\.json holds no evaluation results"):
        results.save_result(str(tmp_path), RESULT)
    assert (tmp_path / "results.json").read_text() == content


@pytest.mark.parametrize(
    "changes",
    [
        {"task": None},
        {"model": ["a"]},
        {"view": "\ud800"},
        {"step": 2**70},
        {"baseline": {}},
        {"metrics": {}},
        {"metrics": {"top1": None}},
        {"metrics": {"top1": 10**400}},
        {"metrics": {"top1": 0.5, "top1_ci95": [0.4]}},
        {"metrics": {"top1": 0.5, "top1_ci95": "ab"}},
        {"metrics": {"top1": 0.5, "splits": [{"top5": 1.0}]}},
        {"metrics": {"map": 0.5, "classes": [{"name": 1}]}},
        {"clips": {"train": 1, "test": "2", "missing": 0}},
        {"seconds": "long"},
        {"settings": {"data": 3}},
        {"settings": []},
        {"predictions": "a\0"},
    ],
)
def test_an_entry_of_other_kinds_is_refused(tmp_path, changes):
    entry = {**dataclasses.asdict(RESULT), **changes}
    content = json.dumps({"format": 1, "results": [entry]})
    (tmp_path / "results.json").write_text(content)
    name = next(iter(changes))
    with pytest.raises(
        UserError, match=rf"results\.json .*({name}|{'|'.join(RESULT.metrics)}|splits)"
    ):
        results.load_results(str(tmp_path))


IDENTITY = Identity(weights="aa", precision="float32", data="bb", settings="cc", run="dd")
MEASURED = dataclasses.replace(RESULT, identity=IDENTITY)


@pytest.mark.parametrize(
    "change", [{"weights": "ee"}, {"precision": "mixed_bfloat16"}, {"data": "ee"}]
)
def test_results_of_another_identity_are_kept_with_their_predictions(tmp_path, change):
    other = dataclasses.replace(MEASURED, identity=dataclasses.replace(IDENTITY, **change))
    found = [results.save_result(str(tmp_path), r, predictions()) for r in (MEASURED, other)]
    assert results.load_results(str(tmp_path)) == [dataclasses.asdict(result) for result in found]
    assert [results.Result.of(entry) for entry in results.load_results(str(tmp_path))] == found
    assert found[0].predictions != found[1].predictions
    assert len(list((tmp_path / "predictions").iterdir())) == 2


@pytest.mark.parametrize("change", [{"settings": "ee"}, {"run": "ee"}])
def test_a_result_of_other_settings_takes_the_place_with_its_predictions(tmp_path, change):
    other = dataclasses.replace(MEASURED, identity=dataclasses.replace(IDENTITY, **change))
    for result in (MEASURED, other):
        last = results.save_result(str(tmp_path), result, predictions())
    assert results.load_results(str(tmp_path)) == [dataclasses.asdict(last)]
    assert len(list((tmp_path / "predictions").iterdir())) == 1


def test_results_without_identity_are_not_taken_for_others(tmp_path):
    path = tmp_path / "results.json"
    results.save_result(str(tmp_path), RESULT)
    content = json.loads(path.read_text())
    del content["results"][0]["identity"]
    path.write_text(json.dumps(content))
    results.save_result(str(tmp_path), MEASURED)
    old, new = map(results.Result.of, results.load_results(str(tmp_path)))
    assert (old, new) == (RESULT, MEASURED)


@pytest.mark.parametrize("identity", [{}, [], "aa", {"weights": "aa", "other": 1}])
def test_a_damaged_identity_is_named(tmp_path, identity):
    content = {"format": 1, "results": [{**dataclasses.asdict(RESULT), "identity": identity}]}
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"results\.json holds no evaluation results"):
        results.load_results(str(tmp_path))


def predictions():
    keys = np.array(["test/0", "test/1"])
    decisions = np.array([[0.5, -np.inf], [0.0, 1.0]], np.float32)
    return Predictions(keys, np.array([0, 1]), keys, decisions, np.array(["ant", "bee"]))


def test_predictions_name_their_result(tmp_path):
    result = results.save_result(str(tmp_path), MEASURED, predictions())
    assert re.fullmatch(r"predictions/demo-linear-narrow-100-[0-9a-f]{12}\.npz", result.predictions)
    with np.load(tmp_path / result.predictions, allow_pickle=False) as arrays:
        names = ["classes", "decisions", "keys", "labels", "paths", "result"]
        assert sorted(arrays.files) == names
        np.testing.assert_array_equal(arrays["decisions"], predictions().decisions)
        assert arrays["keys"].tolist() == ["test/0", "test/1"]
        assert json.loads(str(arrays["result"])) == {
            "task": "demo/linear",
            "view": "narrow",
            "step": 100,
            "baseline": None,
            "weights": "aa",
            "precision": "float32",
            "data": "bb",
            "settings": "cc",
        }


def cells(line):
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_table_for_all_results_of_the_same_metrics():
    other = dataclasses.replace(
        RESULT,
        task="a/mlp",
        step=None,
        baseline="random",
        metrics={"map": 0.25, "map_ci95": [0.2, 0.3], "d_prime": 1.234, "classes": [{"ap": 1}]},
    )
    first, second = results.tables([RESULT, other, RESULT]).split("\n\n")
    header, line, *rows = first.splitlines()
    assert cells(header)[:6] == ["task", "view", "step", "baseline", "top1 %", "top5 %"]
    assert set(line) == {"-", " "}
    expected = [
        "demo/linear",
        "narrow",
        "100",
        "-",
        "62.5 [50.0, 75.0]",
        "100.0",
        "80",
        "16",
        "3",
        "12",
    ]
    assert [cells(row) for row in rows] == [expected] * 2
    header, _, row = second.splitlines()
    assert cells(header)[4:6] == ["map %", "d_prime"]
    assert cells(row)[:6] == ["a/mlp", "narrow", "-", "random", "25.0 [20.0, 30.0]", "1.23"]


def test_each_official_split_stands_below_their_mean():
    clips = {"train": 40, "test": 8, "missing": 0}
    splits = [{"top1": top1, "top5": 1.0, "clips": clips, "settings": {}} for top1 in (0.5, 0.75)]
    mean = dataclasses.replace(RESULT, metrics={**RESULT.metrics, "splits": splits})
    *_, whole, first, second = results.tables([mean]).splitlines()
    assert cells(whole)[0] == "demo/linear"
    assert cells(first) == ["split 1", "50.0", "100.0", "40", "8", "0"]
    assert first.index("50.0") == whole.index("62.5")
    assert cells(second)[:2] == ["split 2", "75.0"]


def test_what_is_of_all_splits_together_stands_beside_the_mean_alone():
    clips = {"train": 40, "test": 8, "missing": 0}
    splits = [{"top1": 0.5, "clips": clips, "settings": {}}]
    metrics = {"top1": 0.5, "pooled_top1": 0.25, "pooled_top1_ci95": [0.1, 0.4], "splits": splits}
    header, _, whole, first = results.tables(
        [dataclasses.replace(RESULT, metrics=metrics)]
    ).splitlines()
    assert cells(header)[4:6] == ["top1 %", "pooled_top1 %"]
    assert cells(whole)[4:6] == ["50.0", "25.0 [10.0, 40.0]"]
    assert cells(first) == ["split 1", "50.0", "40", "8", "0"]
    assert first.index("40") == whole.index("80")
