import pathlib
import shutil

import inspected
import pytest
import tensorflow as tf
from inspected import check, found

from brave_tf.data.records import index as record_index
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.errors import UserError
from brave_tf.inspection import folder_check


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    return inspected.write(tmp_path, train=[inspected.clip(n) for n in range(4)])


def make(folder):
    return found(folder_check.check_folder(DatasetInfo.load(folder), workers=1, make_index=True))


def test_it_is_made(folder):
    whole = {path.name: path.read_bytes() for path in (folder / "index").iterdir()}
    shutil.rmtree(folder / "index")
    names = ["train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"]
    assert found(check(folder)) == {("index_missing", "train"): names}
    assert make(folder) == {}
    assert {path.name: path.read_bytes() for path in (folder / "index").iterdir()} == whole


def test_one_of_another_shard_is_found_and_made_again(folder):
    first, second = sorted((folder / "index").iterdir())
    shutil.copy(first, second)
    assert found(check(folder)) == {("index_differs", "train"): [second.name]}
    assert make(folder) == found(check(folder)) == {}


def test_a_damaged_shard_gets_none(folder):
    shard = folder / "train-00000-of-00002.tfrecord"
    pathlib.Path(record_index.path_of(str(shard))).unlink()
    shard.write_bytes(shard.read_bytes()[:-1])
    assert make(folder)[("index_impossible", "train")] == [shard.name]
    assert not pathlib.Path(record_index.path_of(str(shard))).exists()


def test_a_shard_with_what_is_no_record_gets_none(folder):
    path = folder / "train-00000-of-00002.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in (inspected.clip(0), b"\x0a\x02\x0a\x09"):
            writer.write(record)
    assert make(folder)[("index_impossible", "train")] == [path.name]


def test_a_compressed_shard_gets_none(tmp_path):
    path = tmp_path / "train-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        writer.write(inspected.clip(0))
    assert ("index_missing", "train") not in found(check(tmp_path))
    assert make(tmp_path)[("index_impossible", "train")] == [path.name]


def test_a_place_that_cannot_be_written(folder):
    shutil.rmtree(folder / "index")
    (folder / "index").write_text("in the way")
    with pytest.raises(UserError, match="index/train-00000.*cannot be written.*--index"):
        make(folder)
