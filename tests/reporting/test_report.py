"""The page holds everything, says what is missing, and is the same each time."""

import json

import html_page
import numpy as np
import pytest
import reported
import tiny_run

from brave_tf.evaluation import results
from brave_tf.evaluation.features.identity import of_data
from brave_tf.reporting import report
from brave_tf.reporting.runs import load_runs

ODD = "<i>odd</i>"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two runs with everything: results, predictions, neighbours, event files."""
    root = tmp_path_factory.mktemp("report")
    records = tiny_run.write_records(root / "records")
    recipe = tiny_run.write_recipe(root, records).read_text()
    near = np.array([[f"train/{n}" for n in range(5)]] * 6)
    more = {
        "neighbours": near,
        "neighbour_labels": np.zeros((6, 5), int),
        "similarities": np.ones((6, 5), np.float32),
    }
    identity = reported.identity(data=of_data(str(records)))
    for name, top1, final in (("first", 0.8, 0.5), (ODD.replace("/", "∕"), 0.6, 0.7)):
        entries = [
            reported.result(
                "hmdb51/knn",
                top1,
                predictions="p.npz",
                settings={"data": str(records)},
                identity=identity,
            ),
            reported.result("hmdb51/knn", 0.2, step=0, baseline="random"),
            reported.result("hmdb51/linear", top1),
        ]
        folder = reported.write_run(root / "runs" / name, entries)
        (folder / "config.gin").write_text(f"RECIPE = 'as_v_fa'\n{recipe}")
        more["result"] = np.array(json.dumps(results.owner(entries[0])))
        reported.write_predictions(
            folder / "eval" / "p.npz", [0, 1, 2, 0, 1, 2], [0, 1, 1, 0, 0, 2], **more
        )
        scalars = {
            "loss": {2: 2.0, 4: final},
            "features/std/narrow": {2: 0.5, 4: 0.6},
            "learning_rate": {2: 0.1},
        }
        reported.write_scalars(folder / "tensorboard" / "train", scalars)
        reported.write_scalars(folder / "tensorboard" / "held_out", {"loss": {4: 0.9}})
    return root / "runs"


def written(runs, output):
    report.write_report(load_runs(list(map(str, runs))), str(output))
    return html_page.Page(output / report.PAGE)


def test_the_page_needs_nothing_else_and_shows_everything(whole, tmp_path):
    page = written([whole], tmp_path)
    page.check_self_contained()
    assert page.count(class_="strip") == 6 * 3
    headings = [
        "eval/hmdb51/knn/top1",
        "loss",
        "features/std/narrow",
        "learning_rate",
        "Confusions",
    ]
    for said in (
        *headings,
        "Beside the paper",
        "paper, as_v_fa",
        "29466668_1_0.npy",
        "first, random",
    ):
        assert said in page.data
    assert "66.7 % of 6 clips right" in page.data
    assert "Differs from the recipe in" in page.data
    assert "<b>dog" in page.data  # As text.
    assert "odd" in page.data and "<i>odd" not in page.text


def test_the_tables_are_in_markdown_too(whole, tmp_path):
    written([whole / "first"], tmp_path)
    text = (tmp_path / report.TABLES).read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    row = next(row for row in rows if row[:2] == ["first", "hmdb51/linear"])
    assert row[5:8] == ["top1", "80.0", "75.0–85.0"]
    row = next(row for row in rows if row[0] == "paper, as_v_fa")
    assert row[1] == r"V\<-\>FA, TSM-50, AudioSet" and "70.2" in row


def test_the_same_runs_give_the_same_report(whole, tmp_path):
    for name in ("a", "b"):
        written([whole], tmp_path / name)
    for name in (report.PAGE, report.TABLES):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_what_is_missing_is_said(tmp_path):
    page = written([reported.write_run(tmp_path / "run")], tmp_path / "report")
    for said in (
        "of none of the recipes",
        "brave_tf_eval --task=",
        "no event files",
        "No result kept predictions",
        "No result kept neighbours",
        "No run is of a recipe of the paper",
    ):
        assert said in page.data


def test_clips_that_are_gone_do_not_take_the_page_with_them(whole, tmp_path):
    entries = [
        reported.result(
            "hmdb51/knn",
            0.8,
            predictions="p.npz",
            settings={"data": "gone"},
            identity=_entry(whole)["identity"],
        )
    ]
    folder = reported.write_run(tmp_path / "run", entries)
    (folder / "config.gin").write_text((whole / "first" / "config.gin").read_text())
    source = whole / "first" / "eval" / "p.npz"
    (folder / "eval" / "p.npz").write_bytes(source.read_bytes())
    page = written([folder], tmp_path / "report")
    assert "The clips cannot be shown: gone is no folder here." in page.data
    assert "Confusions" in page.data


def _entry(whole):
    return json.loads((whole / "first" / "eval" / "results.json").read_text())["results"][0]


@pytest.mark.parametrize("data", [None, "", "ab" * 32])
def test_a_result_shows_no_clips_but_those_that_it_knows(whole, tmp_path, data):
    """Else one from elsewhere could name any folder of the reader's, whose pictures the page would hold."""
    entry = _entry(whole)
    identity = {**entry["identity"], "data": data}
    entry = {**entry, "identity": identity, "settings": {"data": entry["settings"]["data"]}}
    folder = reported.write_run(tmp_path / "run", [entry])
    (folder / "config.gin").write_text((whole / "first" / "config.gin").read_text())
    with np.load(whole / "first" / "eval" / "p.npz") as file:
        arrays = {**file, "result": np.array(json.dumps(results.owner(entry)))}
    np.savez(folder / "eval" / "p.npz", **arrays)
    page = written([folder], tmp_path / "report")
    assert "The clips cannot be shown" in page.data
    assert not page.count(class_="strip") and "data:image" not in page.text


def test_classes_that_do_not_occur_are_left_out(tmp_path):
    folder = reported.write_run(
        tmp_path / "run", [reported.result("x/a", 0.5, predictions="p.npz")]
    )
    reported.write_predictions(folder / "eval" / "p.npz", [0, 0, 2], [0, 2, 2])
    page = written([folder], tmp_path / "report")
    assert page.count(class_="cell") == 3
    assert "<b>dog" not in page.data
    # Guessing among the two that do occur.
    assert "chance: 50.0" in page.data


def test_equal_results_of_two_views_are_told_apart(tmp_path):
    entries = [reported.result("x/knn", 0.5, view=view) for view in ("narrow", "broad")]
    page = written([reported.write_run(tmp_path / "run", entries)], tmp_path / "report")
    page.check_self_contained()
    labels = [attributes["aria-label"] for tag, attributes in page.tags if tag == "svg"]
    assert labels == ["top1 of x/knn, broad", "top1 of x/knn, narrow"]


def test_average_precisions_of_classes(tmp_path):
    classes = [
        {"name": "<dog>", "positives": 3, "ap": 0.5},
        {"name": "none", "positives": 0, "ap": None},
    ]
    metrics = {"map": 0.5, "classes": classes}
    folder = reported.write_run(
        tmp_path / "run", [reported.result("audioset/mlp", 0, metrics=metrics)]
    )
    page = written([folder], tmp_path / "report")
    assert "run: <dog>, 50.0 % of 3" in page.data
    assert "none" not in page.data.split("Average precision of each class")[1].split("Nearest")[0]
