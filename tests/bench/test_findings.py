import json
import pathlib
import re
import subprocess
import zlib

import numpy as np
import pytest
import reported

from bench import __main__ as command
from bench import findings, probed_runs
from bench.finding_pairs import FINDINGS
from bench.real_rows import ROWS

SETS = ("egogestar", "tennis7", "utd")
CLIPS = 10


def right(setting, seed, name):
    """(clips,) bool: which ones a run gets right; it has a pattern of its own."""
    return (
        np.random.default_rng(zlib.crc32(f"{setting} {seed} {name}".encode())).random(CLIPS) < 0.6
    )


@pytest.fixture
def data(tmp_path):
    """Lists of clips that are not there."""
    for name in ("egogestar", "tennis7", "utd_mhad_rgb5"):
        lines = ["path,label,subject", *(f"{c}{n}.mp4,{c},{n + 1}" for c in "ab" for n in range(6))]
        (tmp_path / name).mkdir()
        (tmp_path / name / "clips.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def commands(monkeypatch):
    """Leaves the results that evaluations would: see `right`."""
    run = []

    def fake(words, **_):
        if words[0] == "git":
            return subprocess.CompletedProcess(words, 0, stdout="c0ffee\n")
        run.append([pathlib.Path(words[0]).name, *words[1:]])
        if run[-1][0] == "brave_tf_eval":
            leave_result(dict(word[2:].split("=", 1) for word in words[1:]))
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(probed_runs.subprocess, "run", fake)
    return run


def leave_result(flags):
    folder = pathlib.Path(flags["output"])
    setting, seed = pathlib.Path(flags["model_dir"]).name.split("-")[:2]
    hits = right(setting, seed.removeprefix("seed"), folder.name)
    reported.write_predictions(
        folder / "p.npz", [0] * CLIPS, 1 - hits, paths=np.array(["a.mp4"] * CLIPS)
    )
    entry = reported.result(flags["task"], 0.5, view=flags["view"], predictions="p.npz")
    reported.write_results(folder, [entry])


@pytest.fixture
def run(data, capsys):
    def run(*flags, code=0):
        places = [f"--output={data / 'out'}", f"--record={data / 'record.jsonl'}"]
        assert command.main(["findings", *places, *flags]) == code
        captured = capsys.readouterr()
        return captured.err if code else json.loads(captured.out.splitlines()[-1])["rows"]

    return run


def hits(setting, seeds, name):
    return np.mean([right(setting, seed, name) for seed in seeds], axis=0)


def names(commands, name):
    return [words for words in commands if words[0] == name]


def test_clips_are_paired_and_averaged_over_seeds_and_sets(data, commands, run):
    rows = run("--finding=flow", "--seed=4,1", f"--data={data}")
    assert [row["set"] for row in rows] == [*SETS, findings.ALL]
    gaps = []
    for row, name in zip(rows, SETS):
        first, second = (hits(setting, (1, 4), name) for setting in ("v_f", "v_v_plain"))
        assert (row["first"], row["second"]) == pytest.approx((first.mean(), second.mean()))
        gaps.append(first - second)
    gaps, total = np.concatenate(gaps), rows[-1]
    assert (total["difference"], total["clips"]) == (pytest.approx(gaps.mean()), 3 * CLIPS)
    drawn = np.random.default_rng(5).integers(len(gaps), size=(20_000, len(gaps)))
    expected = np.percentile(gaps[drawn].mean(1), (2.5, 97.5))
    ends = [float(end) for end in total["difference_95"].split(" to ")]
    assert ends == pytest.approx(expected, abs=0.02)
    assert total["clear"] == ("no" if ends[0] <= 0 <= ends[1] else "yes")
    assert {(row["difference"] > 0, row["as_the_paper"]) for row in rows} <= {
        (True, "yes"),
        (False, "no"),
    }
    # A command for each, and the data once.
    assert len(names(commands, "brave_tf_prepare")) == 4
    assert len(names(commands, "brave_tf_train")) == 4
    assert len(names(commands, "brave_tf_eval")) == 12
    trained = names(commands, "brave_tf_train")[0]
    assert trained[1] == "--gin_file=real/findings_v_f"
    assert f"--gin_bindings=train.data_dir = '{data / 'out/gestures/records'}'" in trained
    (line,) = map(json.loads, (data / "record.jsonl").read_text().splitlines())
    assert line["command"] == "python -m bench findings --finding=flow --seed=1,4"
    assert (line["finding"], line["seeds"], line["commit"]) == ("flow", [1, 4], "c0ffee")
    assert line["rows"] == [{k: v for k, v in row.items() if k != "finding"} for row in rows]


def test_what_is_done_is_not_done_again(data, commands, run):
    flags = ["--seed=0", "--steps=16", f"--data={data}"]
    first = run("--finding=flow", *flags)
    trained = names(commands, "brave_tf_train")[0]
    assert "--gin_bindings=STEPS = 16" in trained
    assert "--gin_bindings=warmup_cosine.warmup_steps = 2" in trained
    commands.clear()
    # What two findings have in common is made once, in whatever order they are asked for.
    rows = run("--finding=random_convolutions,flow", *flags)
    assert [words[1] for words in names(commands, "brave_tf_train")] == [
        "--gin_file=real/findings_v_v"
    ]
    assert rows[4:] == first
    commands.clear()
    assert run("--finding=random_convolutions,flow", *flags) == rows
    assert commands == []
    assert len((data / "record.jsonl").read_text().splitlines()) == 2


def test_gestures_are_pretrained_on_without_labels(data, commands, run):
    run("--finding=flow", "--seed=0", f"--data={data}")
    pool = (data / "out/gestures/clips.csv").read_text().splitlines()[1:]
    assert len(pool) == 3 * 12
    assert all(line.split(",")[1] == "" for line in pool)
    for words in names(commands, "brave_tf_prepare"):
        assert tuple(words[3:]) == ROWS["gestures"].prepare


def test_the_length_of_sound_matters_less_where_its_difference_is_smaller(commands, run):
    # The demo's clips are rendered, so that there is no --data.
    rows = run("--finding=length_of_sound", "--seed=0,1,2")
    settings = ("demo_v_a", "demo_v_a_short", "demo_v_v", "demo_v_v_short")
    sound, sound_short, video, video_short = (hits(each, (0, 1, 2), "demo") for each in settings)
    of_sound, of_video = sound.mean() - sound_short.mean(), video.mean() - video_short.mean()
    alone, less = rows
    assert alone["difference"] == pytest.approx(of_sound)
    assert "as_the_paper" not in alone
    assert less["less_than"] == "length_of_video_demo"
    assert less["difference"] == pytest.approx(abs(of_video) - abs(of_sound))
    assert less["as_the_paper"] == ("yes" if abs(of_video) > abs(of_sound) else "no")
    gaps = np.sign(of_video) * (video - video_short) - np.sign(of_sound) * (sound - sound_short)
    drawn = np.random.default_rng(5).integers(CLIPS, size=(20_000, CLIPS))
    expected = np.percentile(gaps[drawn].mean(1), (2.5, 97.5))
    ends = [float(end) for end in less["difference_95"].split(" to ")]
    assert ends == pytest.approx(expected, abs=0.05)
    rendered = names(commands, "python")
    assert len(rendered) == 1
    assert rendered[0][1].endswith("datasets/demo/render.py")
    assert all("--task=demo/linear" in words for words in names(commands, "brave_tf_eval"))


def test_a_folder_of_another_configuration_is_refused_before_any_work(data, commands, run):
    flags = ["--finding=flow", "--seed=0", f"--data={data}"]
    run(*flags)
    commands.clear()
    done = data / "out/runs/v_v_plain-seed0/probed.json"
    kept = json.loads(done.read_text())
    kept["configuration"] = [
        line.replace("BROAD_STEP = 8", "BROAD_STEP = 6") for line in kept["configuration"]
    ]
    done.write_text(json.dumps(kept))
    assert "v_v_plain-seed0 holds a run of another configuration" in run(*flags, code=2)
    done.write_text("{")
    assert "probed.json cannot be read" in run(*flags, code=2)
    assert commands == []


def test_runs_that_were_probed_on_other_clips_are_not_compared(data, commands, run):
    flags = ["--finding=flow", "--seed=0,1", f"--data={data}"]
    run(*flags)
    done = data / "out/runs/v_f-seed1/probed.json"
    kept = json.loads(done.read_text())
    del kept["hits"]["utd"]["test/3"]
    done.write_text(json.dumps(kept))
    assert "v_f: runs were probed on different clips" in run(*flags, code=2)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--finding=flo"], "--finding=flo: expected some of .* Did you mean flow"),
        (["--finding=flow", "--seed=a"], "--seed=a: expected whole numbers from 0 on"),
        (["--finding=flow", "--seed=0,-1"], "--seed=0,-1: expected whole numbers"),
        (["--finding=flow"], "--data is missing"),
        (["--finding=flow", "--data=nowhere"], "clips.csv was not found: --data names the folder"),
        (["--finding=length_of_sound", "--steps=-3"], "--steps=-3: expected 1 or more"),
    ],
)
def test_flags_that_cannot_be_used_are_answered_before_any_work(flags, message, commands, run):
    error = run(*flags, code=2)
    assert re.search(message, error), error
    assert commands == []


def test_all_findings_are_run_by_default(data, commands, run):
    rows = run("--seed=0", f"--data={data}")
    assert list(dict.fromkeys(row["finding"] for row in rows)) == list(FINDINGS)
    # Ten settings, of which five findings share some.
    assert len(names(commands, "brave_tf_train")) == 10
