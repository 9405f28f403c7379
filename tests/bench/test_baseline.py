import json
import sys

import pytest

from bench import __main__ as command
from bench import baseline
from brave_tf.errors import UserError


def printing(tmp_path, *results):
    """A command that prints the first result when it is first run, then the second, and so on."""
    script = tmp_path / "script.py"
    script.write_text(
        "import json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "number = len(count.read_text()) if count.exists() else 0\n"
        "count.write_text('x' * (number + 1))\n"
        "print('measuring')\n"
        f"print(json.dumps({list(results)!r}[number % {len(results)}]))\n"
    )
    return f"{sys.executable} {script}"


def result(*seconds):
    rows = [
        {"part": part, "count": 3, "s": s} for part, s in zip(("step", "step", "other"), seconds)
    ]
    return {"machine": {"cpu": "theirs"}, "settings": {"x": 1}, "rows": rows}


def test_rows_are_compared_in_pairs(tmp_path):
    ours = iter(
        [{"settings": {"y": 2}, "rows": result(*s)["rows"]} for s in ((1, 5), (4, 5), (9, 6))]
    )
    theirs = printing(tmp_path, result(2, 10, 1), result(4, 5, 1), result(3, 2, 1))
    compared = baseline.compare(lambda: next(ours), theirs, pairs=3)
    assert compared["settings"] == {"y": 2}
    assert compared["baseline"] == {
        "machine": {"cpu": "theirs"},
        "versions": None,
        "settings": {"x": 1},
    }
    # 1/2, 4/4, 9/3 and 5/10, 5/5, 6/2; the count is the same everywhere, and 'other' only theirs.
    assert compared["rows"] == [
        {"part": "step", "figure": "s", "ours": 4, "baseline": 3, "ratio": 1, "spread": 0.5},
        {"part": "step", "figure": "s", "ours": 5, "baseline": 5, "ratio": 1, "spread": 0.5},
    ]


def test_the_command_comes_first_in_every_second_pair(tmp_path):
    order, marks = [], tmp_path / "count"

    def run():
        order.append(len(marks.read_text()) if marks.exists() else 0)
        return {"settings": {}, "rows": result(1)["rows"]}

    baseline.compare(run, printing(tmp_path, result(2)), pairs=3)
    assert order == [0, 2, 2]  # How often the command had run before.


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ("exit 3", "exit code 3"),
        ("echo no", "'no', expected one JSON object"),
        ("echo '[1]'", "expected one JSON object"),
        ("true", "expected one JSON object"),
        ("""echo '{"rows": [{"part": "none"}]}'""", "no row with the texts of one of ours.*step"),
    ],
)
def test_unusable_commands(theirs, said):
    with pytest.raises(UserError, match=said):
        baseline.compare(lambda: result(1), theirs, pairs=1)


def test_any_benchmark_can_have_one(tmp_path, capsys):
    rows = [{"limit": "copy", "unit": "GB/s", "rate": 1e-9}]
    theirs = printing(tmp_path, {"rows": rows})
    sizes = ["--matrix=32", "--copy_mb=1", "--repeats=2"]
    assert command.main(["limits", *sizes, f"--baseline={theirs}", "--pairs=2"]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["name"] == "limits" and line["settings"]["pairs"] == 2
    (row,) = line["rows"]
    assert row["limit"] == "copy" and row["figure"] == "rate"
    assert row["ratio"] == pytest.approx(row["ours"] * 1e9, rel=0.9) and row["ratio"] > 1e6
