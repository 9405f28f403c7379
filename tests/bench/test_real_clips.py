import json
import subprocess

import numpy as np
import pytest
import reported

from bench import __main__ as command
from bench import probed_runs, real_clips
from bench.real_rows import Probe, Probed, Row

# Of ten clips: pre-trained, at random, trained with labels, histograms.
RIGHT = {None: 7, "random": 4, "supervised": 9, "function": 8}


@pytest.fixture
def data(tmp_path):
    """Lists of clips that are not there."""
    lists = {
        "egogestar": ["path,label", *(f"{c}_{n}.mp4,{c}" for c in "ab" for n in range(10))],
        "tennis7": ["path,label", *(f"{c}{n}.mp4,{c}" for c in "cd" for n in range(10))],
        "utd_mhad_rgb5": ["path,label,subject", *(f"e{n}.mp4,e,{n % 8 + 1}" for n in range(16))],
    }
    for name, lines in lists.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "clips.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def commands(data, monkeypatch):
    """Leaves the results that evaluations would, on ten clips: see `RIGHT`."""
    run = []

    def fake(words, **_):
        if words[0] == "git":
            return subprocess.CompletedProcess(words, 0, stdout="c0ffee\n")
        flags = dict(word[2:].split("=", 1) for word in words[1:] if "gin_bindings" not in word)
        run.append((words[0].name, words[1:]))
        if words[0].name == "brave_tf_eval":
            leave_results(real_clips.pathlib.Path(flags["output"]), flags, data)
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(probed_runs.subprocess, "run", fake)
    return run


def leave_results(folder, flags, data):
    baseline = flags.get("baseline", "function" if "function" in flags else None)
    sets = real_clips.real_sets
    clips = [clip["path"] for clip in sets.read(data, sets.SETS[folder.name])]
    entries = []
    for task in flags["task"].split(","):
        name, right = f"{task}-{baseline}.npz".replace("/", "-"), RIGHT[baseline]
        predicted = [0] * right + [1] * (10 - right)
        folder.mkdir(parents=True, exist_ok=True)
        reported.write_predictions(folder / name, [0] * 10, predicted, paths=np.array(clips[:10]))
        view = flags.get("view", "broad_flow" if "flow" in task else "narrow")
        changes = {"view": view, "predictions": name}
        changes["baseline"] = flags.get("baseline")
        entries.append(reported.result(task, right / 10, **changes))
    kept = probed_runs.results.load_results(str(folder))
    reported.write_results(folder, [*kept, *entries])


def run(data, capsys, *flags):
    assert command.main(["real_clips", "--row=gestures", f"--data={data}", *flags]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]


def test_each_view_is_probed_before_and_after_and_paired_by_clip(data, commands, capsys):
    output, record = data / "out", data / "record.jsonl"
    flags = [f"--output={output}", f"--record={record}", "--seed=3", "--steps=7"]
    rows = run(data, capsys, *flags)
    assert [(row["set"], row["view"]) for row in rows] == [
        (name, view)
        for name in ("egogestar", "tennis7", "utd")
        for view in ("narrow", "broad_flow", "histograms of flow")
    ]
    assert all((row["score"], row["clips"]) == (0.8, 10) for row in rows[2::3])
    for row in (row for row in rows if "score" not in row):
        assert (row["pretrained"], row["random"], row["clips"]) == (0.7, 0.4, 10)
        assert row["difference"] == pytest.approx(0.3)
        assert row["p"] == pytest.approx(
            0.25
        )  # Three of three clips that one of the two got right.
    names = [name for name, _ in commands]
    assert names == [*["brave_tf_prepare"] * 4, "brave_tf_train", *["brave_tf_eval"] * 9]
    trained = next(words for name, words in commands if name == "brave_tf_train")
    assert "--gin_bindings=train.split = 'fold1+fold2+fold3+fold4+fold5'" in trained
    assert {"--gin_bindings=train.seed = 3", "--gin_bindings=STEPS = 7"} <= set(trained)
    pool = (output / "gestures" / "pool" / "clips.csv").read_text().splitlines()
    assert len(pool) == 1 + 20 + 20 + 16
    assert all(line.split(",")[1] == "" for line in pool[1:])
    # A line for each command, the last one of it.
    run(data, capsys, *flags)
    (line,) = map(json.loads, record.read_text().splitlines())
    assert line["command"] == "python -m bench real_clips --row=gestures --seed=3 --steps=7"
    assert (line["commit"], line["rows"]) == ("c0ffee", rows)


def test_the_narrow_network_is_trained_with_labels_beside(data, commands, capsys):
    flags = [f"--output={data / 'out'}", f"--record={data / 'record.jsonl'}", "--supervised"]
    rows = run(data, capsys, *flags)
    found = {row["set"]: row["score"] for row in rows if row["view"] == "narrow, supervised"}
    assert found == {"egogestar": 0.9, "tennis7": 0.9, "utd": 0.9}
    asked = [words for _, words in commands if "--baseline=supervised" in words]
    assert len(asked) == 3
    assert all("--task=folds/linear" in words for words in asked)
    # It is another command than the one without.
    (line,) = map(json.loads, (data / "record.jsonl").read_text().splitlines())
    assert line["command"].endswith(" --supervised")


def test_a_fold_can_be_left_out_of_pretraining_and_is_then_what_is_tested(data, commands, capsys):
    output = data / "out"
    flags = [f"--output={output}", f"--record={data / 'record.jsonl'}", "--without_fold=1"]
    rows = run(data, capsys, *flags)
    trained = next(words for name, words in commands if name == "brave_tf_train")
    assert "--gin_bindings=train.split = 'fold2+fold3+fold4+fold5'" in trained
    # Of the first ten clips of egogestar two are in its first fold, right with both weights.
    assert (rows[0]["clips"], rows[0]["pretrained"], rows[0]["random"]) == (2, 1.0, 1.0)
    flags[-1] = "--without_fold=9"
    assert command.main(["real_clips", "--row=gestures", f"--data={data}", *flags]) == 2
    assert "--without_fold=9: the clips of egogestar are in fold1, fold2" in capsys.readouterr().err


def test_a_command_that_fails_ends_it(data, monkeypatch, capsys):
    monkeypatch.setattr(
        probed_runs.subprocess,
        "run",
        lambda words, **_: subprocess.CompletedProcess(words, 2, stdout=""),
    )
    flags = ["--row=gestures", f"--data={data}", f"--output={data / 'out'}"]
    assert command.main(["real_clips", *flags]) == 2
    assert "brave_tf_prepare ended with exit code 2" in capsys.readouterr().err


def test_a_row_may_name_views_tasks_with_splits_and_how_a_set_is_prepared(
    data, commands, capsys, monkeypatch
):
    views = Probed(
        (Probe("folder/linear", "narrow"), Probe("folder/linear", "broad_video")), ("--fps=5",)
    )
    row = Row("real/gestures", ("tennis7",), {"egogestar": views}, ("--fps=25", "--flow=none"))
    monkeypatch.setitem(real_clips.ROWS, "gestures", row)
    rows = run(data, capsys, f"--output={data / 'out'}", f"--record={data / 'record.jsonl'}")
    assert [(row["set"], row["view"]) for row in rows] == [
        ("egogestar", "narrow"),
        ("egogestar", "broad_video"),
    ]
    assert [(row["pretrained"], row["random"]) for row in rows] == [(0.7, 0.4)] * 2
    prepared = [words[2:] for name, words in commands if name == "brave_tf_prepare"]
    assert prepared == [["--fps=25", "--flow=none"], ["--fps=25", "--flow=none", "--fps=5"]]
    probed = [words for name, words in commands if name == "brave_tf_eval"]
    assert [words[-1] for words in probed] == ["--view=narrow", "--view=broad_video"] * 2
    assert all("--task=folder/linear" in words for words in probed)
