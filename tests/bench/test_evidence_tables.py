import pytest

from bench import evidence_tables
from bench.finding_pairs import FINDINGS
from brave_tf.errors import UserError

RUN = "python -m bench real_clips --row=gestures"


def view(name, **changes):
    of = {
        "set": name,
        "view": "narrow",
        "pretrained": 0.5,
        "pretrained_95": "0.400 to 0.600",
        "random": 0.25,
        "random_95": "0.200 to 0.300",
        "difference": 0.25,
        "difference_95": "-0.100 to 0.350",
        "p": 0.0004,
        "clips": 8,
    }
    return {**of, **changes}


def with_labels(name):
    return {
        "set": name,
        "view": "narrow, supervised",
        "score": 0.75,
        "score_95": "0.700 to 0.800",
        "clips": 8,
    }


def rows_of(text):
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]


def test_seeds_are_in_one_table_in_order_set_by_set():
    lines = [
        {"command": f"{RUN} --seed=10", "rows": [view("a"), view("b", p=0.0312)]},
        {"command": f"{RUN} --seed=2", "rows": [view("a"), view("b")]},
    ]
    head, _, *rows = rows_of(evidence_tables.real_clips(lines))
    assert [(row[0], row[2]) for row in rows] == [("a", "2"), ("a", "10"), ("b", "2"), ("b", "10")]
    of = dict(zip(head, rows[-1]))
    assert of == {
        "set": "b",
        "what": "`narrow`, pre-trained",
        "seed": "10",
        "accuracy": "50.0 (40.0 to 60.0)",
        "random weights": "25.0 (20.0 to 30.0)",
        "difference": "+25.0 (-10.0 to +35.0)",
        "p": "0.031",
        "clips": "8",
    }
    assert rows[0][head.index("p")] == "< 0.001"


def test_a_table_has_the_commands_that_made_it():
    lines = [{"command": f"{RUN} --seed={seed}", "rows": [view("a")]} for seed in (0, 1)]
    text = evidence_tables.real_clips(lines)
    assert f"```sh\n{RUN} --seed=0 --data=DATA\n{RUN} --seed=1 --data=DATA\n```" in text


def test_other_flags_make_other_tables():
    flags = ("", " --without_fold=1", " --steps=9")
    lines = [{"command": f"{RUN} --seed=0{flag}", "rows": [view("a")]} for flag in flags]
    titles = [
        line for line in evidence_tables.real_clips(lines).splitlines() if line.startswith("### ")
    ]
    assert sorted(titles) == [
        "### `gestures`",
        "### `gestures`, `--steps=9`",
        "### `gestures`, `--without_fold=1`",
    ]


def test_a_run_with_labels_takes_the_place_of_one_without():
    lines = [
        {"command": f"{RUN} --seed=0", "rows": [view("a")]},
        {"command": f"{RUN} --seed=0 --supervised", "rows": [view("a"), with_labels("a")]},
    ]
    for given in (lines, lines[::-1]):
        text = evidence_tables.real_clips(given)
        assert [row[1:4] for row in rows_of(text)[2:]] == [
            ["`narrow`, pre-trained", "0", "50.0 (40.0 to 60.0)"],
            ["narrow, supervised", "0", "75.0 (70.0 to 80.0)"],
        ]
        assert text.count("```sh") == 1 and text.count(f"{RUN} ") == 1


def pair(**changes):
    of = {
        "set": "demo",
        "first": 0.5,
        "second": 0.55,
        "difference": -0.05,
        "difference_95": "-0.080 to -0.020",
        "p": 0.01,
        "clips": 8,
        "clear": "yes",
        "as_the_paper": "no",
    }
    return {**of, **changes}


def test_a_finding_is_told_with_the_papers_differences_and_its_table():
    command = "python -m bench findings --finding=flow --seed=0,1"
    line = {"command": command, "finding": "flow", "seeds": [0, 1], "rows": [pair()]}
    text = evidence_tables.findings([line])
    titles = [row for row in text.splitlines() if row.startswith("### ")]
    assert titles == [f"### `{name}`" for name in FINDINGS]
    assert text.count("Not recorded yet.") == len(FINDINGS) - 1
    told = text[text.index("### `flow`") : text.index("### `independent_windows`")]
    assert "(+1.2, +4.3, -1.9)" in told and f"```sh\n{command} --data=DATA\n```" in told
    assert rows_of(told)[2:] == [
        ["demo", "0, 1", "50.0", "55.0", "-5.0 (-8.0 to -2.0)", "0.010", "8", "no", "yes"]
    ]


def test_how_much_less_something_matters_has_a_line_of_its_own():
    less = {k: v for k, v in pair().items() if k not in ("first", "second")}
    alone = {k: v for k, v in pair().items() if k != "as_the_paper"}
    rows = [alone, {**less, "less_than": "length_of_video_demo"}]
    line = {"command": "c", "finding": "length_of_sound", "seeds": [0], "rows": rows}
    first, second = rows_of(evidence_tables.findings([line]))[2:]
    assert (first[0], first[-2:]) == ("demo", ["", "yes"])
    assert second[:4] == ["demo, less than `length_of_video_demo`", "0", "", ""]
    assert second[-2:] == ["no", "yes"]


def test_a_finding_that_is_not_known_is_refused():
    line = {"command": "c", "finding": "colours", "seeds": [0], "rows": []}
    with pytest.raises(UserError, match="not known: colours"):
        evidence_tables.findings([line])
