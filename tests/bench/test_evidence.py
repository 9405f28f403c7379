import json

import pytest

from bench import __main__ as command
from bench import evidence, probed_runs
from brave_tf.errors import UserError

MARKS = "# A\n<!-- real_clips -->\nold\n<!-- /real_clips -->\nb\n<!-- findings -->\n<!-- /findings -->\nc\n"


def test_the_page_is_in_step_with_the_records():
    text = evidence.PAGE.read_text("utf-8")
    # Else: python -m bench evidence
    assert evidence.with_tables(text, probed_runs.EVIDENCE) == text


def test_tables_take_the_place_of_those_that_were_there(tmp_path, capsys):
    page, record = tmp_path / "page.md", tmp_path / "real_clips.jsonl"
    page.write_text(MARKS)
    row = {"set": "utd", "view": "histograms of flow", "score": 0.5, "clips": 8}
    run = "python -m bench real_clips --row=gestures --seed=0"
    line = {"command": run, "rows": [{**row, "score_95": "0.250 to 0.750"}]}
    record.write_text(json.dumps(line) + "\n")
    flags = ["evidence", f"--page={page}", f"--records={tmp_path}"]
    assert command.main(flags) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert rows == [{"record": "real_clips", "lines": 1}, {"record": "findings", "lines": 0}]
    written = page.read_text()
    assert "old" not in written
    assert "| utd | histograms of flow | 0 | 50.0 (25.0 to 75.0) |" in written
    assert [written.index(part) for part in ("# A", "| utd |", "\nb\n", "\nc\n")] == sorted(
        written.index(part) for part in ("# A", "| utd |", "\nb\n", "\nc\n")
    )
    # Written again, it stays what it is.
    assert command.main(flags) == 0
    assert page.read_text() == written


@pytest.mark.parametrize("text", ["no marks", MARKS + MARKS])
def test_a_page_without_places_for_tables_is_refused(text, tmp_path):
    with pytest.raises(UserError, match="places for the tables of real_clips: expected one line"):
        evidence.with_tables(text, tmp_path)


def test_a_page_that_is_not_there_is_refused(tmp_path, capsys):
    assert command.main(["evidence", f"--page={tmp_path / 'page.md'}"]) == 2
    assert "expected a page with the marks of tables" in capsys.readouterr().err
