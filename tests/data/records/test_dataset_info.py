import json

import numpy as np
import pytest
import record_fixtures
import waiting_pipes

from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.errors import UserError

JPEG = record_fixtures.jpeg(np.zeros((16, 16, 3), np.uint8))
SILENCE = np.zeros(4800, np.float32)


def clips(number, **kwargs):
    return [record_fixtures.record(images=[JPEG] * 4, **kwargs) for _ in range(number)]


def test_reads_what_prepare_wrote(tmp_path):
    record_fixtures.write_shards(tmp_path, clips(5, audio=SILENCE), 2)
    record_fixtures.write_shards(tmp_path, clips(3), 1, "test", settings={"fps": 12.5})
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    info = DatasetInfo.load(tmp_path)
    assert sorted(info.splits) == ["test", "train"]
    assert info.labels == ("cat", "dog")
    assert (info.frame_rate, info.sample_rate) == (12.5, 48_000)
    train = info.split("train")
    assert (train.clips, train.seconds) == (5, 5.0)
    assert train.with_modality == {"rgb": 5, "flow": 0, "audio": 5}
    assert [shard.clips for shard in train.shards] == [3, 2]
    assert info.split("test").with_modality["audio"] == 0


def test_splits_can_be_joined(tmp_path):
    record_fixtures.write_shards(tmp_path, clips(5), 2)
    record_fixtures.write_shards(tmp_path, clips(3), 1, "test")
    both = DatasetInfo.load(tmp_path).split("train+test")
    assert (both.clips, len(both.shards), both.with_modality["rgb"]) == (8, 3, 8)


@pytest.mark.parametrize(
    "names, split",
    [
        (["train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"], "train"),
        (["hmdb51_test_1.tfrecord-00000-of-00002", "hmdb51_test_1.tfrecord-00001-of-00002"], "hmdb51_test_1"),
        (["clips-00.tfrecord", "clips-01.tfrecord"], "clips"),
        (["all.tfrecords"], "all"),
    ],
)  # fmt: skip
def test_finds_shards_of_other_writers(tmp_path, names, split):
    record_fixtures.write_shards(tmp_path / "made", clips(2), 1)
    data = (tmp_path / "made" / "train-00000-of-00001.tfrecord").read_bytes()
    for name in names:
        (tmp_path / name).write_bytes(data)
    info = DatasetInfo.load(tmp_path)
    assert list(info.splits) == [split]
    assert len(info.split(split).shards) == len(names)
    assert info.split(split).clips is None
    assert (info.frame_rate, info.sample_rate) == (25.0, 48_000.0)
    info.check_files(info.split(split))


@pytest.mark.parametrize(
    "counts, modalities, expected",
    [
        ((10, 10, 10), {"rgb", "audio"}, 10),
        ((10, 7, 10), {"rgb", "audio"}, 7),
        ((8, 7, 10), {"rgb", "audio"}, None),
        ((8, 7, 10), {"rgb", "flow"}, 8),
    ],
)
def test_count_with(counts, modalities, expected, tmp_path):
    folder = record_fixtures.write_shards(tmp_path, clips(1), 1)
    description = json.loads((folder / "dataset.json").read_text())
    rgb, audio, flow = counts
    description["splits"]["train"].update(clips=10, with_rgb=rgb, with_audio=audio, with_flow=flow)
    (folder / "dataset.json").write_text(json.dumps(description))
    assert DatasetInfo.load(folder).split("train").count_with(modalities) == expected


def test_flac_is_known_with_and_without_description(tmp_path):
    record = record_fixtures.record(flac=b"fLaC")
    described = record_fixtures.write_shards(tmp_path / "a", [record], settings={"audio": "flac"})
    plain = record_fixtures.write_shards(tmp_path / "b", [record], described=False)
    for folder in (described, plain):
        fields = DatasetInfo.load(folder).stored_fields(["WAVEFORM/feature/floats"])
        assert fields == ("WAVEFORM/feature/flac",)


def test_no_folder(tmp_path):
    with pytest.raises(UserError, match=r"no such folder.*brave_tf_prepare .*--output="):
        DatasetInfo.load(tmp_path / "nothing")


@pytest.mark.parametrize("described", [True, False])
def test_no_shards(tmp_path, described):
    if described:
        (tmp_path / "dataset.json").write_text('{"splits": {}}')
    with pytest.raises(UserError, match=r"\*\.tfrecord\*: no such files.*brave_tf_prepare"):
        DatasetInfo.load(tmp_path)


@pytest.mark.parametrize("text", ["{", '{"splits": {"train": {}}}', "[]"])
def test_damaged_description(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=r"dataset\.json is damaged"):
        DatasetInfo.load(tmp_path)


def test_unknown_split(tmp_path):
    info = DatasetInfo.load(record_fixtures.write_shards(tmp_path, clips(1)))
    with pytest.raises(UserError, match=r"no split 'trian', it has: train\. Did you mean train\?"):
        info.split("trian")


def test_all_splits_together(tmp_path):
    for count, split in enumerate(("fold2", "fold1", "test"), start=1):
        record_fixtures.write_shards(tmp_path, clips(count), split=split)
    info = DatasetInfo.load(tmp_path)
    assert (info.split("*").clips, info.split("fold1+fold2").clips) == (6, 3)
    names = {path.rpartition("/")[2].partition("-")[0] for path in info.split("*").paths}
    assert names == {"fold1", "fold2", "test"}
    with pytest.raises(UserError, match=r"no split 'train'.*bind train\.split = '\*'"):
        info.split("train")


def test_missing_shard(tmp_path):
    info = DatasetInfo.load(record_fixtures.write_shards(tmp_path, clips(4), 2))
    (tmp_path / "train-00001-of-00002.tfrecord").unlink()
    expected = (
        r"1 of the 2 shards.*train-00001-of-00002\.tfrecord\. Copy .*, or make them with: brave"
    )
    with pytest.raises(UserError, match=expected):
        info.check_files(info.split("train"))


def test_sizes_that_differ_are_warned_of(tmp_path, caplog):
    record_fixtures.write_shards(tmp_path, clips(4))
    shard = tmp_path / "train-00000-of-00001.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-10])
    info = DatasetInfo.load(tmp_path)
    info.check_files(info.split("train"))
    assert any("dataset.json says" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("train-00001-of-00002.tfrecord", True),
        ("train-00001-of-00002.tfrecord", False),
        ("more-00.tfrecord", False),
        ("dataset.json", True),
        ("labels.txt", True),
    ],
)
def test_a_pipe_is_not_waited_for(tmp_path, name, described):
    record_fixtures.write_shards(tmp_path, clips(2), 2)
    if not described:
        (tmp_path / "dataset.json").unlink()
    with (
        waiting_pipes.unwritten(tmp_path / name),
        pytest.raises(UserError, match=f"{name} is a pipe"),
    ):
        DatasetInfo.load(tmp_path)
