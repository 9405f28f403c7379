"""What a folder of records says of itself."""

import json

import numpy as np
import pytest
import record_fixtures

from brave_tf.data.records import dataset_json
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.errors import UserError

JPEG = record_fixtures.jpeg(np.zeros((16, 16, 3), np.uint8))


@pytest.fixture
def folder(tmp_path):
    record = record_fixtures.record(images=[JPEG])
    record_fixtures.write_shards(tmp_path / "other", [record])
    return record_fixtures.write_shards(tmp_path / "records", [record, record])


SHARD = ("splits", "train", "shards", 0)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*SHARD, "file"), "../other/train-00000-of-00001.tfrecord"),
        ((*SHARD, "file"), "/etc/hostname"),
        ((*SHARD, "file"), "gs://bucket/train-00000-of-00001.tfrecord"),
        ((*SHARD, "file"), ["a"]),
        ((*SHARD, "clips"), -1),
        ((*SHARD, "clips"), 10**12),
        ((*SHARD, "clips"), None),
        ((*SHARD, "bytes"), "many"),
        (("splits", "train", "with_rgb"), [1]),
        (("splits", "train", "clips"), 10**400),
        (("splits", "train", "labels"), {"a": "b"}),
        (("settings", "fps"), "fast"),
        (("settings", "fps"), float("nan")),
        (("settings", "sample_rate"), 10**400),
        (("settings",), "none"),
    ],
)
def test_what_no_preparation_writes_is_refused(folder, place, value):
    path = folder / "dataset.json"
    content = json.loads(path.read_text())
    *above, name = place
    inner = content
    for each in above:
        inner = inner[each]
    inner[name] = value
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"dataset\.json is damaged .*{name}'\]"):
        DatasetInfo.load(folder)


@pytest.mark.parametrize("text", [b"[" * 10**5, b"\xff", b"null"])
def test_what_is_no_description_is_refused(folder, text):
    (folder / "dataset.json").write_bytes(text)
    with pytest.raises(UserError, match=r"dataset\.json is damaged"):
        DatasetInfo.load(folder)


def test_labels_need_not_be_text(folder):
    (folder / "labels.txt").write_bytes("é\nb\xff\n".encode("latin-1"))
    assert dataset_json.read_lines(str(folder / "labels.txt")) == ["\udce9", "b\udcff"]
