import subprocess

import numpy as np
import pytest
import reported

from bench import probed_runs
from bench.real_rows import Probe
from brave_tf.errors import UserError


@pytest.fixture
def commands(monkeypatch):
    run = []

    def fake(words, **_):
        run.append([words[0].name, *words[1:]])
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(probed_runs.subprocess, "run", fake)
    return run


def test_tasks_of_one_view_are_evaluated_at_once(commands, tmp_path):
    probes = [Probe("folder/linear"), Probe("folder/knn", "broad"), Probe("folder/linear_flow")]
    folders = (tmp_path / "eval", tmp_path / "model")
    probed_runs.evaluate(*folders, probes, tmp_path / "records", "random")
    common = [f"--model_dir={tmp_path}/model", f"--data={tmp_path}/records"]
    common += [f"--output={tmp_path}/eval", "--baseline=random"]
    assert commands == [
        ["brave_tf_eval", "--task=folder/linear,folder/linear_flow", *common],
        ["brave_tf_eval", "--task=folder/knn", *common, "--view=broad"],
    ]


def test_a_result_is_found_by_task_view_and_weights_at_the_last_step(tmp_path):
    kinds = [("narrow", None), ("broad", None), ("narrow", "random")]
    entries = [
        reported.result("folder/linear", 0.1, view=view, baseline=baseline, step=step)
        for view, baseline in kinds
        for step in (8, 9, 7)
    ]
    reported.write_results(tmp_path, [*entries, reported.result("folder/knn", 0.1, step=10)])
    for view, baseline in kinds:
        found = probed_runs.result(tmp_path, Probe("folder/linear", view), baseline)
        assert (found["view"], found["baseline"], found["step"]) == (view, baseline, 9)
    assert probed_runs.result(tmp_path, Probe("folder/knn"))["step"] == 10


def test_hits_are_those_of_the_files_that_count(tmp_path):
    paths = np.array(["a.mp4", "b.mp4", "b.mp4"])
    reported.write_predictions(tmp_path / "p.npz", [0, 1, 2], [0, 1, 1], paths=paths)
    entry = {"predictions": "p.npz"}
    assert probed_runs.hits(tmp_path, entry) == {"test/0": 1, "test/1": 1, "test/2": 0}
    assert probed_runs.hits(tmp_path, entry, {"b.mp4"}) == {"test/1": 1, "test/2": 0}


def test_the_record_has_a_line_for_each_command_in_their_order(tmp_path):
    record = tmp_path / "new" / "record.jsonl"
    assert probed_runs.read_record(record) == []
    for command, value in [("b", 1), ("a", 2), ("b", 3)]:
        probed_runs.add_to_record(record, {"command": command, "rows": value})
    expected = [{"command": "a", "rows": 2}, {"command": "b", "rows": 3}]
    assert probed_runs.read_record(record) == expected


@pytest.mark.parametrize("line", ["no JSON", "[]", '{"rows": []}'])
def test_a_record_that_is_none_is_refused_and_left_as_it_is(line, tmp_path):
    record = tmp_path / "record.jsonl"
    record.write_text(line)
    with pytest.raises(UserError, match="record.jsonl: expected a line of JSON for each run"):
        probed_runs.add_to_record(record, {"command": "a"})
    assert record.read_text() == line
