"""What a preparation leaves in its folder."""

import csv
import dataclasses
import hashlib
import json

import cv2
import numpy as np
import pytest
import tensorflow as tf
from media import number_of, tone, write_audio
from prepared import FAST, contents, failures, records
from remuxed import joined

from brave_tf.data.clips.clip_list import make_clip, read_clips
from brave_tf.data.clips.division import move_to_test
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.data.records.reader import parse_clip
from brave_tf.errors import UserError


def test_report_and_files(prepared):
    assert prepared.report == (15, 3, 6, False, 0)
    names = [f"{s}-0000{i}-of-00003.tfrecord" for s in ("test", "train") for i in range(3)]
    names += [f"index/{name}" for name in names]
    names += ["dataset.json", "failures.csv", "labels.txt"]
    assert sorted(contents(prepared.folder)) == sorted(names)
    assert (prepared.folder / "labels.txt").read_text() == "clap\nnod\nwave\n"


def test_failures_are_listed_with_stage_and_reason(prepared):
    rows = failures(prepared.folder)
    assert [(r["path"], r["start"], r["end"], r["stage"]) for r in rows] == [
        ("broken.mp4", "0.0", "", "open"),
        ("gone.mp4", "1.0", "2.0", "find"),
        ("film0.mp4", "60.0", "61.0", "decode"),
    ]
    assert "Invalid data" in rows[0]["reason"] and "does not exist" in rows[1]["reason"]


def test_dataset_json_counts_what_the_shards_hold(prepared):
    dataset = json.loads((prepared.folder / "dataset.json").read_text())
    assert dataset["format"] == 1 and dataset["failures"] == 3
    assert dataset["settings"]["fps"] == 12.5 and dataset["settings"]["flow"] == "dis"
    assert dataset["versions"]["tensorflow"] == tf.__version__
    counted = {
        split: [entry[f"with_{modality}"] for modality in ("rgb", "flow", "audio")]
        for split, entry in dataset["splits"].items()
    }
    assert counted == {"test": [5, 5, 4], "train": [8, 8, 10]}
    assert dataset["splits"]["train"]["labels"] == {"clap": 5, "wave": 4}
    assert dataset["splits"]["test"]["labels"] == {"wave": 4}
    assert dataset["splits"]["train"]["seconds"] == pytest.approx(8 * 0.64 + 1 + 0.8, abs=0.01)
    for split, entry in dataset["splits"].items():
        assert entry["clips"] == len(records(prepared.folder, split))
        for shard in entry["shards"]:
            data = (prepared.folder / shard["file"]).read_bytes()
            assert shard["bytes"] == len(data)
            assert shard["sha256"] == hashlib.sha256(data).hexdigest()
            assert shard["clips"] == len(
                list(tf.data.TFRecordDataset(str(prepared.folder / shard["file"])))
            )


def test_records_hold_their_windows(prepared):
    fields = ["image/encoded", "FORWARD_FLOW/encoded", "WAVEFORM/feature/floats"]
    clips = [parse_clip(r, fields) for s in ("train", "test") for r in records(prepared.folder, s)]
    shown = {}
    for clip in clips:
        name = clip.path.numpy().decode()
        if name.startswith("film"):
            pictures = [cv2.imdecode(np.frombuffer(j, np.uint8), 1) for j in clip.images.numpy()]
            assert clip.flow.shape == (8,) and clip.audio.shape == (5120,)
            assert pictures[0].shape == (32, 42, 3)
            shown.setdefault(name, []).append([number_of(picture) for picture in pictures])
    assert {name: sorted(windows) for name, windows in shown.items()} == {
        f"film{n}.mp4": [list(range(40 * n + 8 * i, 40 * n + 8 * i + 8)) for i in range(4)]
        for n in range(3)
    }
    (sound,) = (clip for clip in clips if clip.path == b"sound.wav")
    assert abs(np.argmax(np.abs(sound.audio.numpy())) / 8000 - 0.5) < 1e-3
    assert sound.label == 0 and sound.images.shape == (0,)


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_could_be_prepared(tmp_path, exists):
    if exists:
        (tmp_path / "a.mp4").write_bytes(b"no film")
    clips = [make_clip(str(tmp_path), name) for name in ("a.mp4", "b.mp4")]
    out = tmp_path / "out"
    for _ in range(2):
        assert prepare(clips, str(out), FAST, workers=1) == (0, 2, 0, False, 0)
        assert list(contents(out)) == ["failures.csv"]
        assert [row["stage"] for row in failures(out)] == ["open" if exists else "find", "find"]


def test_folder_input_with_test_fraction(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "in" / label).mkdir(parents=True)
        for number in range(4):
            write_audio(tmp_path / "in" / label / f"{number}.wav", tone(0.2))
    settings = PreparationSettings(flow="none", audio="flac", sample_rate=8000)
    clips = move_to_test(read_clips(str(tmp_path / "in")), 0.25, seed=0)
    prepare(clips, str(tmp_path / "out"), settings, workers=1)
    splits = json.loads((tmp_path / "out" / "dataset.json").read_text())["splits"]
    assert {name: split["labels"] for name, split in splits.items()} == {
        "train": {"cat": 3, "dog": 3},
        "test": {"cat": 1, "dog": 1},
    }
    clip = parse_clip(records(tmp_path / "out", "test")[0], ["WAVEFORM/feature/flac"])
    assert clip.audio.shape == (1600,) and clip.sample_rate == 8000


def test_groups_are_no_part_of_a_preparation(tmp_path):
    write_audio(tmp_path / "a.wav", tone(0.2))
    clips = [make_clip(str(tmp_path), "a.wav", labels=["cat"])]
    settings = PreparationSettings(flow="none", audio="flac", sample_rate=8000)
    prepare(clips, str(tmp_path / "out"), settings, workers=1)
    grouped = [dataclasses.replace(clips[0], group="one")]
    assert prepare(grouped, str(tmp_path / "out"), settings, workers=1).complete_before
    other = [dataclasses.replace(clips[0], split="fold1")]
    with pytest.raises(UserError, match="its clips were others"):
        prepare(other, str(tmp_path / "out"), settings, workers=1)


@pytest.mark.parametrize("runs", [1, 2])
def test_warnings_are_listed_and_counted(tmp_path, runs):
    (tmp_path / "in").mkdir()
    parts = [write_audio(tmp_path / f"{i}.ogg", tone(1.0)) for i in range(2)]
    joined(tmp_path / "in" / "joined.ogg", parts)
    write_audio(tmp_path / "in" / "plain.ogg", tone(1.0))
    clips, out = read_clips(str(tmp_path / "in")), tmp_path / "out"
    for _ in range(runs):
        report = prepare(clips, str(out), FAST, workers=1)
    assert (report.written, report.failed, report.warned) == (2, 0, 1)
    dataset = json.loads((out / "dataset.json").read_text())
    assert dataset["splits"]["train"]["with_warnings"] == 1
    (row,) = prepared_rows(out / "warnings.csv")
    assert row["path"] == "joined.ogg" and "starts again at 1.00 s" in row["warning"]


def prepared_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
