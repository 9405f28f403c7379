"""The scripts from official files to records, and on real clips."""

import csv
import json
import pathlib
import subprocess
import sys

import page_commands
import pytest
from dataset_script import DATASETS, load, run, write
from media import moving_texture, tone, write_audio, write_video

from brave_tf.data.preparation import clip_encoder
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.data.public.official_splits import official_split, train_test_splits
from brave_tf.data.records.dataset_info import DatasetInfo

SMALL = ("--fps=5", "--min_side=16", "--sample_rate=8000", "--workers=1")
FAST = (*SMALL, "--flow=none")
KINETICS = "label,youtube_id,time_start,time_end,split\nsurfing water,{},1,2,x\nzumba,gone,7,8,x\n"
COMMENTS = "# Segments csv\n# num_ytids=2\n# YTID, start_seconds, end_seconds, positive_labels\n"
SEGMENT = '{}, 30.000, 31.000, "/m/09x0r,/t/dd00088"\n'

# Annotations, media, and what the records shall be: clips by split, all labels, missing by split.
DATA_SETS = {
    "kinetics400": (
        {"train.csv": KINETICS.format("aaa"), "val.csv": KINETICS.format("bbb")},
        ["train/surfing water/aaa_000001_000002.mp4", "val/bbb.webm"],
        {"train": 1, "val": 1},
        ["surfing water", "zumba"],
        {"train": 1, "val": 1},
    ),
    "audioset": (
        {
            "balanced_train_segments.csv": COMMENTS + SEGMENT.format("aaa"),
            "eval_segments.csv": COMMENTS + SEGMENT.format("bbb") + SEGMENT.format("gone"),
            "class_labels_indices.csv": 'index,mid,display_name\n0,/t/dd00088,"Gush"\n'
            '1,/m/09x0r,"Speech"\n2,/m/0k4j,"Car"\n',
        },
        ["train/aaa_30000.mp4", "eval/bbb.wav"],
        {"balanced_train": 1, "eval": 1},
        ["Gush", "Speech"],
        {"eval": 1},
    ),
    "hmdb51": (
        {
            f"splits/{label}_test_split{number}.txt": f"{label}.avi {role}\n"
            for label, roles in (("run", "120"), ("wave", "221"), ("walk", "111"))
            for number, role in enumerate(roles, start=1)
        },
        ["run/run.avi", "wave/wave.avi"],
        {"train-test-unused": 1, "test-test-train": 1},
        ["run", "walk", "wave"],
        {"train-train-train": 1},
    ),
    "ucf101": (
        {
            "lists/classInd.txt": "1 Diving\n2 Punch\n",
            "lists/trainlist01.txt": "Diving/a.avi 1\nPunch/b.avi 2\n",
            "lists/testlist01.txt": "Diving/c.avi\n",
            "lists/trainlist02.txt": "Diving/c.avi 1\nPunch/b.avi 2\n",
            "lists/testlist02.txt": "Diving/a.avi\n",
            "lists/trainlist03.txt": "Diving/a.avi 1\nDiving/c.avi 1\n",
            "lists/testlist03.txt": "Punch/b.avi\n",
        },
        ["UCF-101/Diving/a.avi", "UCF-101/Punch/b.avi"],
        {"train-test-train": 1, "train-train-test": 1},
        ["Diving", "Punch"],
        {"test-train-train": 1},
    ),
    "esc50": (
        {
            "meta/esc50.csv": "filename,fold,target,category,esc10,src_file,take\n"
            "a.wav,1,0,dog,True,1,A\nb.wav,2,1,rain,True,2,A\nc.wav,2,9,hen,False,3,A\n"
        },
        ["audio/a.wav", "audio/b.wav"],
        {"fold1": 1, "fold2": 1},
        ["dog", "hen", "rain"],
        {"fold2": 1},
    ),
}
DATA_SETS["kinetics600"] = DATA_SETS["kinetics400"]
CASES = [(name, *expected) for name, expected in DATA_SETS.items()]


def make(root, annotations, media):
    write(root, annotations)
    for name in media:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".wav":
            write_audio(path, tone(1.0, sample_rate=16000), sample_rate=16000)
        else:
            write_video(path, moving_texture(5), fps=5)


@pytest.mark.parametrize(("name", "annotations", "media", "clips", "labels", "missing"), CASES)
def test_from_official_files_to_records(
    tmp_path, monkeypatch, capsys, name, annotations, media, clips, labels, missing
):
    """By the very command of the README."""
    monkeypatch.chdir(tmp_path)
    python, script, source, output, *options = page_commands.shell(
        (DATASETS / name / "README.md").read_text()
    )[1]
    assert [python, script] == ["python", f"datasets/{name}/prepare.py"]
    out = pathlib.Path(output.partition("=")[2])
    make(pathlib.Path(source.partition("=")[2]), annotations, media)
    assert run(name, source, output, *options, *SMALL) == 0
    printed = capsys.readouterr().out.splitlines()
    total = {split: clips.get(split, 0) + missing.get(split, 0) for split in missing}
    # Of ESC-50's folds there are two here, and no class is in both.
    alone = ", ".join(map(repr, labels))
    told = f"labels whose clips are all in one fold: {alone}; tasks over folds refuse them, for they could "
    told += "not have been learned from the others"
    assert printed[:-1] == [told] * (name == "esc50") + [
        f"{split}: {missing[split]} of {total[split]} clips are of missing files"
        for split in sorted(missing)
    ]
    assert printed[-1].startswith(f"wrote {len(media)} clips in {len(media)} shards in {out}; ")
    assert f"{sum(missing.values())} failed" in printed[-1]

    description = json.loads((out / "dataset.json").read_text())
    assert {key: value["clips"] for key, value in description["splits"].items()} == clips
    assert (out / "labels.txt").read_text().splitlines() == labels
    with open(out / "failures.csv", newline="") as file:
        assert [row["stage"] for row in csv.DictReader(file)] == ["find"] * sum(missing.values())
    assert all(split["seconds"] == 1.0 for split in description["splits"].values())


def test_records_serve_all_official_splits(tmp_path):
    annotations, media, *_ = DATA_SETS["ucf101"]
    media = [*media, "UCF-101/Diving/c.avi"]
    make(tmp_path / "in", annotations, media)
    assert run("ucf101", f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}", *FAST) == 0
    info = DatasetInfo.load(str(tmp_path / "out"))
    for number, (train, test) in enumerate(train_test_splits(info.splits), start=1):
        names = (train, test, official_split(info.splits, number, "test"))
        assert [info.split(name).clips for name in names] == [2, 1, 1]
    assert info.split(train_test_splits(info.splits)[2][1]).labels == {"Punch": 1}


def test_as_a_command_of_its_own(tmp_path):
    annotations, media, *_ = DATA_SETS["esc50"]
    make(tmp_path / "in", annotations, media)
    script = str(DATASETS / "esc50" / "prepare.py")
    words = [sys.executable, script, f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}"]
    done = subprocess.run([*words, "--esc10", *FAST], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("; 0 failed")
    assert (tmp_path / "out" / "labels.txt").read_text() == "dog\nrain\n"


def test_counted_without_preparing(tmp_path, capsys):
    annotations, media, *_ = DATA_SETS["hmdb51"]
    make(tmp_path, annotations, media)
    assert run("hmdb51", f"--input={tmp_path}", "--list") == 0
    printed = capsys.readouterr().out
    assert "train-train-train: 1 clips (1 of missing files)" in printed
    assert "missing: walk/walk.avi" in printed


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_wrong_folder_is_refused(tmp_path, capsys, name):
    (tmp_path / "in").mkdir()
    assert run(name, f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}") == 2
    assert f"--input={tmp_path / 'in'}: found no " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_but_annotations(tmp_path, capsys):
    annotations, *_ = DATA_SETS["hmdb51"]
    write(tmp_path / "in", annotations)
    assert run("hmdb51", f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}") == 1
    assert "none of 3 clips could be prepared" in capsys.readouterr().err
    assert "run/run.avi" in (tmp_path / "out" / "failures.csv").read_text()


def linked(source, root, names):
    for name, link in names.items():
        (root / link).parent.mkdir(parents=True, exist_ok=True)
        (root / link).symlink_to(source / name)


def encoded(clips):
    settings = PreparationSettings(fps=5, min_side=32, flow="none", sample_rate=8000)
    return {clip.path: clip_encoder.encode(clip, settings) for clip in clips}


def test_real_clips_of_hmdb51_and_ucf101(shared_dir, tmp_path):
    source = shared_dir / "data" / "clips" / "kinetics_hmdb51_ucf101"
    waves = [path.name for path in source.glob("*_wave_*.avi")]
    punches = [path.name for path in source.glob("v_*.avi")]
    classes = sorted({name.split("_")[1] for name in punches})
    linked(source, tmp_path / "hmdb51", {name: f"wave/{name}" for name in waves})
    linked(source, tmp_path / "ucf101", {name: f"{name.split('_')[1]}/{name}" for name in punches})
    listed = "".join(f"{name} {1 + i % 2} \n" for i, name in enumerate(waves))
    for number in (1, 2, 3):
        write(tmp_path / "hmdb51" / "splits", {f"wave_test_split{number}.txt": listed})
        numbered = [f"{n.split('_')[1]}/{n} {classes.index(n.split('_')[1]) + 1}" for n in punches]
        write(tmp_path / "ucf101", {f"trainlist0{number}.txt": "\n".join(numbered[2:])})
        write(tmp_path / "ucf101", {f"testlist0{number}.txt": "\n".join(numbered[:2])})
    numbered = [f"{number} {name}" for number, name in enumerate(classes, start=1)]
    write(tmp_path / "ucf101", {"classInd.txt": "\n".join(numbered)})
    for name, number in (("hmdb51", len(waves)), ("ucf101", len(punches))):
        clips = load(name).read_clips(str(tmp_path / name))
        assert len(clips) == number > 2 and all(clip.size for clip in clips)
        prepared = encoded(clips[:3])
        assert all(len(p.frames) >= 5 * (p.end - p.clip.start) - 1 for p in prepared.values())


def test_real_clips_of_youtube(shared_dir, tmp_path):
    source = shared_dir / "data" / "clips"
    kinetics = [path.stem for path in (source / "kinetics_hmdb51_ucf101").glob("*.mp4")]
    rows = "".join(
        f"some action,{video},{60 * i},{60 * i + 10},train\n" for i, video in enumerate(kinetics, 1)
    )
    header = "label,youtube_id,time_start,time_end,split\n"
    write(tmp_path / "kinetics", {"train.csv": header + rows})
    (tmp_path / "kinetics" / "videos").symlink_to(source / "kinetics_hmdb51_ucf101")
    clips = load("kinetics400").read_clips(str(tmp_path / "kinetics"))
    assert len(clips) == 3 and all(clip.size for clip in clips)
    # They are the annotated windows already, wherever in the video those were.
    for prepared in encoded(clips).values():
        assert prepared.clip.start == 0 and prepared.end == pytest.approx(10.5, abs=1)

    names = [path.stem for path in (source / "audiovisual").glob("*_*000.mp4")]
    segments = [name.rsplit("_", 2) for name in names]
    rows = [
        f'{video}, {int(a) / 1000:.3f}, {int(b) / 1000:.3f}, "/m/1"' for video, a, b in segments
    ]
    write(
        tmp_path / "audioset",
        {
            "eval_segments.csv": COMMENTS + "\n".join(rows),
            "class_labels_indices.csv": 'index,mid,display_name\n0,/m/1,"Thing"\n',
        },
    )
    (tmp_path / "audioset" / "videos").symlink_to(source / "audiovisual")
    clips = load("audioset").read_clips(str(tmp_path / "audioset"))
    assert len(clips) == len(names) > 5
    assert all(clip.size and clip.start == 0 and clip.end is None for clip in clips)
    (prepared,) = encoded(clips[:1]).values()
    assert prepared.frames and len(prepared.audio) == round(8000 * prepared.end)
