import csv
import hashlib
import json
import pathlib
import shutil
from types import SimpleNamespace

import cv2
import misbehaviour
import numpy as np
import pytest
import tensorflow as tf
from media import click, moving_texture, number_of, numbered_frame, tone, write_audio, write_video

from brave_tf.data.preparation import prepare as prepare_module
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.prepared_folder import StorageError, claimed
from brave_tf.data.preparation.settings import Settings
from brave_tf.data.record_reader import parse_clip
from brave_tf.errors import UserError
from brave_tf.progress import Progress

SETTINGS = Settings(fps=12.5, min_side=32, flow="dis", sample_rate=8000, num_shards=3)


def contents(folder):
    return {path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir()}


def failures(folder):
    with open(folder / "failures.csv", newline="") as file:
        return list(csv.DictReader(file))


def records(folder, split):
    files = sorted(map(str, folder.glob(f"{split}-*.tfrecord")))
    return [record.numpy() for record in tf.data.TFRecordDataset(files)]


def write_csv(folder, rows, header="path,label,split,start,end"):
    (folder / "clips.csv").write_text("\n".join([header, *rows]) + "\n")
    return str(folder / "clips.csv")


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """12 clips in 3 films, 2 sounds, a silent film, and what cannot be prepared."""
    folder = tmp_path_factory.mktemp("media")
    for number in range(3):
        pictures = [numbered_frame(40 * number + i) for i in range(32)]
        write_video(
            folder / f"film{number}.mp4", pictures, 12.5, audio=tone(2.56, 300 + 100 * number)
        )
    write_audio(folder / "sound.wav", click(1.0, 0.5))
    write_audio(folder / "sound.ogg", tone(0.8))
    write_video(folder / "silent.avi", moving_texture(6))
    (folder / "broken.mp4").write_bytes(b"no film")
    rows = [
        f"film{number}.mp4,{label},{split},{0.64 * i},{0.64 * (i + 1)}"
        for number, label, split in (
            (0, "wave", "train"),
            (1, "clap", "train"),
            (2, "wave", "test"),
        )
        for i in range(4)
    ]
    rows += ["sound.wav,clap,train,,", "sound.ogg,,train,,", "silent.avi,,test,,"]
    rows += ["broken.mp4,nod,train,,", "gone.mp4,wave,train,1,2", "film0.mp4,wave,train,60,61"]
    write_csv(folder, rows)
    return folder


@pytest.fixture(scope="module")
def prepared(media, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "new" / "records"
    report = prepare(str(media / "clips.csv"), str(folder), SETTINGS, workers=2)
    return SimpleNamespace(folder=folder, report=report)


def test_report_and_files(prepared):
    assert prepared.report == (15, 3, 6, False)
    names = [f"{s}-0000{i}-of-00003.tfrecord" for s in ("test", "train") for i in range(3)]
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


def test_workers_do_not_change_a_byte(media, prepared, tmp_path):
    prepare(str(media / "clips.csv"), str(tmp_path), SETTINGS, workers=1)
    assert contents(tmp_path) == contents(prepared.folder)


def test_input_may_lie_elsewhere(media, prepared, tmp_path):
    shutil.copytree(media, tmp_path / "copy")
    prepare(str(tmp_path / "copy" / "clips.csv"), str(tmp_path / "out"), SETTINGS, workers=2)
    assert contents(tmp_path / "out") == contents(prepared.folder)


def test_complete_preparation_is_left_alone(media, prepared, monkeypatch):
    before = contents(prepared.folder)
    monkeypatch.setattr(prepare_module, "_prepare", lambda *_: pytest.fail("prepared again"))
    report = prepare(str(media / "clips.csv"), str(prepared.folder), SETTINGS)
    assert report == (15, 3, 6, True)
    assert contents(prepared.folder) == before


@pytest.mark.parametrize("after", [1, 5, 12])
def test_interrupted_preparation_goes_on(media, prepared, tmp_path, monkeypatch, after):
    count = 0

    def add(self, failed):
        nonlocal count
        count += 1
        if count == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "add", add)
        with pytest.raises(KeyboardInterrupt):
            prepare(str(media / "clips.csv"), str(tmp_path), SETTINGS, workers=2)
    assert not (tmp_path / "dataset.json").exists()
    monkeypatch.setattr(Progress, "add", lambda *_, **__: None)
    encoded = []
    real_run = prepare_module.worker_pool.run_in_order

    def run(function, tasks, **kwargs):
        encoded.extend(tasks)
        return real_run(function, tasks, **kwargs)

    monkeypatch.setattr(prepare_module.worker_pool, "run_in_order", run)
    prepare(str(media / "clips.csv"), str(tmp_path), SETTINGS, workers=2)
    assert len(encoded) == 17 - after
    assert contents(tmp_path) == contents(prepared.folder)


def test_another_preparation_is_refused(media, prepared, tmp_path):
    source, folder = str(media / "clips.csv"), str(prepared.folder)
    with pytest.raises(UserError, match=r"its --fps is 12\.5, not 25\.0; its --flow is 'dis', not"):
        prepare(source, folder, Settings(min_side=32, sample_rate=8000, num_shards=3))
    other = tmp_path / "other"
    shutil.copytree(media, other)
    with open(other / "clips.csv", "a") as file:
        file.write("silent.avi,wave,train,,\n")
    with pytest.raises(UserError, match=r"18 clips, now 19"):
        prepare(str(other / "clips.csv"), folder, SETTINGS)


def test_unfinished_other_preparation_is_refused(media, tmp_path, monkeypatch):
    monkeypatch.setattr(Progress, "add", lambda *_, **__: exit())
    with pytest.raises(SystemExit):
        prepare(str(media / "clips.csv"), str(tmp_path), SETTINGS, workers=1)
    with pytest.raises(UserError, match="another preparation: its --seed is 0, not 1"):
        prepare(str(media / "clips.csv"), str(tmp_path), Settings(**{**vars(SETTINGS), "seed": 1}))


def test_foreign_records_are_left_alone(media, tmp_path):
    (tmp_path / "train.tfrecord-00000-of-00001").write_bytes(b"precious")
    with pytest.raises(UserError, match="records of another origin"):
        prepare(str(media / "clips.csv"), str(tmp_path), SETTINGS)


def test_damaged_complete_folder_is_named(media, prepared, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(prepared.folder, folder)
    (folder / "train-00001-of-00003.tfrecord").write_bytes(b"")
    with pytest.raises(UserError, match="train-00001-of-00003.tfrecord is missing or damaged"):
        prepare(str(media / "clips.csv"), str(folder), SETTINGS)
    (folder / "dataset.json").write_text("{")
    with pytest.raises(UserError, match="dataset.json: is damaged"):
        prepare(str(media / "clips.csv"), str(folder), SETTINGS)


def test_hang_and_crash_become_failures(tmp_path):
    for name in ("a", "hang", "b", "crash", "c"):
        write_video(tmp_path / f"{name}.mp4", moving_texture(3))
    out = tmp_path / "out"
    report = prepare(
        str(tmp_path), str(out), SETTINGS, workers=2, timeout=3.0,
        encoder=misbehaviour.encode_unless_named,
    )  # fmt: skip
    assert report[:2] == (3, 2)
    rows = {row["path"]: row for row in failures(out)}
    assert rows["hang.mp4"]["stage"] == "timeout" and "3 s" in rows["hang.mp4"]["reason"]
    assert rows["crash.mp4"]["stage"] == "crash" and "SIGSEGV" in rows["crash.mp4"]["reason"]


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_could_be_prepared(tmp_path, exists):
    source = write_csv(tmp_path, ["a.mp4", "b.mp4"], header="path")
    if exists:
        (tmp_path / "a.mp4").write_bytes(b"no film")
    out = tmp_path / "out"
    for _ in range(2):
        assert prepare(source, str(out), SETTINGS, workers=1) == (0, 2, 0, False)
        assert list(contents(out)) == ["failures.csv"]
        assert [row["stage"] for row in failures(out)] == ["open" if exists else "find", "find"]


def test_folder_input_with_test_fraction(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "in" / label).mkdir(parents=True)
        for number in range(4):
            write_audio(tmp_path / "in" / label / f"{number}.wav", tone(0.2))
    settings = Settings(flow="none", audio="flac", sample_rate=8000, test_fraction=0.25)
    prepare(str(tmp_path / "in"), str(tmp_path / "out"), settings, workers=1)
    splits = json.loads((tmp_path / "out" / "dataset.json").read_text())["splits"]
    assert {name: split["labels"] for name, split in splits.items()} == {
        "train": {"cat": 3, "dog": 3},
        "test": {"cat": 1, "dog": 1},
    }
    clip = parse_clip(records(tmp_path / "out", "test")[0], ["WAVEFORM/feature/flac"])
    assert clip.audio.shape == (1600,) and clip.sample_rate == 8000


@pytest.mark.parametrize("where", ["file", "file/below", "/dev/null/x"])
def test_output_that_cannot_be_written(media, tmp_path, where):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        prepare(str(media / "clips.csv"), str(tmp_path / where), SETTINGS)


def test_full_disk_is_noticed_early(media, tmp_path, monkeypatch):
    usage = SimpleNamespace(total=10**12, free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="disk is full"):
        prepare(str(media / "clips.csv"), str(tmp_path), SETTINGS)


def test_disk_that_will_not_do_is_noticed_after_some_clips(media, prepared, tmp_path, monkeypatch):
    free = iter([10**9, 10**4])
    source = str(media / "clips.csv")
    with monkeypatch.context() as patch:
        patch.setattr(prepare_module, "_SPACE_SAMPLE", 4)
        patch.setattr(
            shutil, "disk_usage", lambda _: SimpleNamespace(total=10**12, free=next(free))
        )
        with pytest.raises(StorageError, match="need about .* GB, 0.0 GB are free"):
            prepare(source, str(tmp_path), SETTINGS, workers=1)
    prepare(source, str(tmp_path), SETTINGS, workers=1)
    assert contents(tmp_path) == contents(prepared.folder)


def test_two_at_once_are_kept_apart(media, tmp_path):
    with claimed(str(tmp_path)), pytest.raises(UserError, match="another process"):
        prepare(str(media / "clips.csv"), str(tmp_path), SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flow", "tvl2"),
        ("audio", "mp3"),
        ("fps", 0),
        ("fps", float("nan")),
        ("min_side", 8),
        ("flow_bound", 0),
        ("sample_rate", 0),
        ("jpeg_quality", 101),
        ("num_shards", -1),
        ("test_fraction", 1.0),
    ],
)
def test_settings_out_of_range(name, value):
    with pytest.raises(UserError, match=f"--{name}={value}: expected"):
        Settings(**{name: value})
