"""Tables put results beside published ones."""

import reported

from brave_tf.reporting import tables
from brave_tf.reporting.runs import load_runs


def runs(tmp_path, entries, recipe=None):
    return load_runs([str(reported.write_run(tmp_path / "mine", entries, recipe))])


def as_dicts(rows):
    head, *body = rows
    return {row[0]: dict(zip(head, row)) for row in body}


def test_results_stand_beside_the_row_of_the_recipe(tmp_path):
    entries = [
        reported.result("hmdb51/linear", 0.412),
        reported.result("hmdb51/linear", 0.9, view="broad_video"),
        reported.result("hmdb51/linear", 0.204, baseline="random"),
        reported.result("demo/linear", 0.99),
    ]
    rows, ours = tables.comparison(runs(tmp_path, entries, recipe="k600_v_v_sync_on"))
    assert rows[0] == ["", "backbones, data", "UCF101 linear", "HMDB51 linear", "K600 linear"]
    assert ours == 2
    shown = as_dicts(rows)
    assert shown["mine"]["HMDB51 linear"] == "41.2 (36.2–46.2)"
    assert shown["mine"]["K600 linear"] == "–"
    assert shown["mine, random"]["HMDB51 linear"] == "20.4 (15.4–25.4)"
    assert shown["paper, k600_v_v_sync_on"]["K600 linear"] == "59.9"
    assert shown["29332798_5_0.npy"]["UCF101 linear"] == "92.6"
    assert shown["CVRL"]["HMDB51 linear"] == "59.7"
    assert "GDT" not in shown  # Which has been fine-tuned only.


def test_a_run_of_another_method_has_its_row_once(tmp_path):
    entries = [reported.result("kinetics600/linear", 0.5)]
    rows, _ = tables.comparison(runs(tmp_path, entries, recipe="k600_cvrl_r3d50"))
    shown = as_dicts(rows)
    assert shown["paper, k600_cvrl_r3d50"]["backbones, data"] == "CVRL, R3D-50, Kinetics-600"
    assert shown["paper, k600_cvrl_r3d50"]["K600 linear"] == "70.4"
    assert "CVRL" not in shown
    assert "CoCLR" in shown


def test_runs_that_have_nothing_to_do_with_the_paper(tmp_path):
    entries = [reported.result("demo/linear", 0.99)]
    assert tables.comparison(runs(tmp_path, entries, recipe="demo_v_fa")) == ([], 0)


def test_names_are_text_in_markdown():
    hostile = [
        "<script>alert(1)</script>",
        "[a](javascript:x) ![b](https://c)",
        "a\n\n# b",
        "c|d `e` &lt;",
    ]
    head, line, *body = tables.markdown([["name"], *([each] for each in hostile)]).splitlines()
    assert (head, line) == ("| name |", "| --- |")
    assert body == [
        r"| \<script\>alert(1)\</script\> |",
        r"| \[a\](javascript:x) !\[b\](https:\//c) |",
        r"| a \# b |",
        r"| c\|d \`e\` \&lt; |",
    ]
    assert tables.plain("runs/demo_v_fa, 62.5 (50.0–75.0)") == "runs/demo_v_fa, 62.5 (50.0–75.0)"


def test_all_results(tmp_path):
    splits = [{"map": 0.2}, {"map": 0.3}]
    metrics = {"map": 0.25, "auc": 0.5, "d_prime": 1.7, "splits": splits}
    entries = [
        reported.result("audioset/mlp", 0, metrics=metrics, step=None, view="broad_audio"),
        reported.result("demo/linear", 0.5, step=2),
        reported.result("demo/linear", 0.75, step=12_000),
    ]
    head, *rows = tables.all_results(runs(tmp_path, entries))
    first, second = (dict(zip(head, row)) for row in rows)
    assert (first["metric"], first["value"], first["95 % interval"]) == ("map", "25.0", "–")
    assert (first["others"], first["step"]) == (
        "auc 50.0, d_prime 1.70, split 1 20.0, split 2 30.0",
        "–",
    )
    assert (second["step"], second["value"]) == ("12,000", "75.0")
    assert [second[name] for name in ("train clips", "test clips", "missing")] == ["12", "8", "1"]


def test_markdown():
    text = tables.markdown([["a", "b|c"], ["1", "2"]])
    assert text == "| a | b\\|c |\n| --- | --- |\n| 1 | 2 |\n"
