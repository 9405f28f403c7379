import json

from bench import report


def test_columns_are_aligned_and_missing_values_blank():
    rows = [{"name": "a", "rate": 12345.678, "n": 3}, {"name": "longer", "rate": 0.012345}]
    assert report.table(rows).splitlines() == [
        "name      rate  n",
        "a        12346  3",
        "longer  0.0123",
    ]


def test_the_line_holds_everything():
    result = {"settings": {"x": 1}, "rows": [{"y": 2.0}]}
    line = report.json_line("some", report.machine(), result)
    assert "\n" not in line
    decoded = json.loads(line)
    assert decoded["name"] == "some"
    assert decoded["settings"] == {"x": 1} and decoded["rows"] == [{"y": 2.0}]
    assert decoded["machine"]["memory_gb"] > 0 and decoded["machine"]["cpu"]
