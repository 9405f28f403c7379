import collections
import json
import subprocess

import pytest
import reported

from bench import __main__ as command
from bench import real_clips
from brave_tf import config
from brave_tf.data.views.rgb import RgbView
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings


@pytest.fixture
def data(tmp_path):
    """Lists of clips that are not there."""
    lists = {
        "grid_s1": ["path,command", *(f"{n}.mp4,{'bin' if n % 2 else 'set'}" for n in range(20))],
        "utd_mhad_rgb5": ["path,label,split", "a.mp4,wave,train", "b.mp4,clap,test"],
        "esc10": ["path,label,fold", *(f"{n}.ogg,rain,{n % 5 + 1}" for n in range(10))],
    }
    for name, lines in lists.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "clips.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_every_clip_has_its_split_and_keeps_its_label(data):
    clips = real_clips.list_clips(data, seed=0)
    counts = collections.Counter(clip["split"] for clip in clips)
    folds = {f"fold{n}": 2 for n in range(1, 6)}
    assert counts == {"grid_train": 14, "grid_test": 6, "utd_train": 1, "utd_test": 1, **folds}
    assert clips[3] == {**clips[3], "path": str(data / "grid_s1" / "3.mp4"), "label": "bin"}
    assert real_clips.list_clips(data, seed=0) == clips != real_clips.list_clips(data, seed=1)


def test_a_data_set_that_is_not_there_is_named(data, capsys):
    (data / "esc10" / "clips.csv").unlink()
    assert command.main(["real_clips", f"--data={data}"]) == 2
    assert "esc10/clips.csv was not found" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "broad"), [("v_fa", ["audio", "flow"]), ("v_f", ["flow"])])
def test_the_recipes_load(tmp_path, name, broad):
    path = real_clips.write_recipe(tmp_path, name, steps=7, size=40, seed=3)
    config.load_config([str(path)])
    views = bound(Recipe).views
    narrow, *others = views.values()
    assert isinstance(narrow, RgbView) and narrow.num_frames * narrow.frame_step == 16
    assert [view.modality for view in others] == broad
    assert narrow.size == views["broad_flow"].size == 40
    settings = bound(Settings)
    assert (settings.num_steps, settings.seed) == (7, 3)


def test_the_table_is_made_of_what_the_commands_leave(data, tmp_path, monkeypatch, capsys):
    output, run_commands = tmp_path / "out", []

    def run(words, **_):
        """Leaves the results that an evaluation would: what was right of ten clips."""
        name, flags = (
            words[0].name,
            dict(word[2:].split("=", 1) for word in words[1:] if "=" in word),
        )
        run_commands.append((name, flags))
        if name == "brave_tf_eval":
            top1 = {None: 0.7, "random": 0.4, "supervised": 0.9}[flags.get("baseline")]
            view = "broad_audio" if "audio" in flags["task"] else "narrow"
            entries = [
                reported.result(task, top1, baseline=flags.get("baseline"), view=view)
                for task in flags["task"].split(",")
            ]
            folder = output / "eval" / flags["output"].rsplit("/", 1)[1]
            kept = real_clips.results.load_results(str(folder))
            reported.write_results(folder, [*kept, *entries])
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(real_clips.subprocess, "run", run)
    flags = [f"--data={data}", f"--output={output}", "--steps=7"]
    assert command.main(["real_clips", *flags]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert [(row["data"], row["view"], row["protocol"]) for row in rows] == [
        (data, view, protocol)
        for data, view in (
            ("grid_s1", "video"),
            ("utd_mhad_rgb5", "video"),
            ("grid_s1", "audio"),
            ("esc10", "audio"),
        )
        for protocol in ("linear", "knn")
    ]
    for row in rows:
        assert (row["random"], row["pretrained"], row["supervised"]) == (0.4, 0.7, 0.9)
        assert row["pretrained_95"] == "0.650-0.750"
    assert [row["chance"] for row in rows[::2]] == [0.5, 0.5, 0.5, 1]
    names = collections.Counter(name for name, _ in run_commands)
    assert names == {
        "brave_tf_prepare": 1,
        "brave_tf_train": 2,
        "brave_tf_eval": 12,
        "brave_tf_report": 1,
    }
    # Started again, it evaluates nothing that is there.
    run_commands.clear()
    assert command.main(["real_clips", *flags]) == 0
    assert "brave_tf_eval" not in {name for name, _ in run_commands}


def test_a_command_that_fails_ends_it(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        real_clips.subprocess, "run", lambda words, **_: subprocess.CompletedProcess(words, 2)
    )
    assert command.main(["real_clips", f"--data={data}", f"--output={tmp_path / 'out'}"]) == 2
    assert "brave_tf_prepare ended with exit code 2" in capsys.readouterr().err


def test_real_lists(shared_dir):
    clips = real_clips.list_clips(shared_dir / "data", seed=0)
    counts = collections.Counter(clip["split"] for clip in clips)
    assert (counts["grid_train"], counts["grid_test"], counts["fold1"]) == (700, 300, 80)
    assert counts["utd_train"] + counts["utd_test"] == 160 and counts["other"] > 20
