import pathlib
import shutil
import struct

import media
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf
import waiting_pipes

from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.pipeline.clip_windows import crop_dataset
from brave_tf.data.records import index as record_index
from brave_tf.data.sources.attempts import SkippedClips
from brave_tf.data.sources.kinds import open_source
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.rgb import RgbView

FRAMES, CLIPS = 7, 5
NARROW = {"narrow": RgbView(num_frames=3, frame_step=1, size=16, augmentations=())}
VIEWS = {
    **NARROW,
    "broad_video": RgbView(num_frames=4, frame_step=3, size=16, sync=False, augmentations=()),
    "broad_flow": FlowView(num_frames=2, frame_step=1, size=16, sync=False),
    "broad_audio": AudioView(duration=0.2, log_mel=LogMel(sample_rate=16_000, mel_bins=8)),
}


def frames(number: int) -> list[bytes]:
    pixels = np.random.default_rng(number).integers(0, 256, (FRAMES, 24, 32, 3), dtype=np.uint8)
    return [record_fixtures.jpeg(frame) for frame in pixels]


def clip(number: int, **changes) -> bytes:
    pcm = np.random.default_rng(number).uniform(-1, 1, 5_000).astype(np.float32)
    values = {"images": frames(number), "flow": frames(number + 100), "audio": pcm}
    rest = {"labels": [number], "sample_rate": 16_000.0, "path": f"clip{number}.mp4"}
    return record_fixtures.record(**{**values, **rest, **changes})


def flac(folder: pathlib.Path) -> bytes:
    path = folder / "sound.flac"
    media.write_audio(path, media.tone(0.3, sample_rate=16_000), 16_000)
    return path.read_bytes()


def shards(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("*.tfrecord*"))


def make_indexes(folder: pathlib.Path) -> pathlib.Path:
    for shard in shards(folder):
        record_index.make(str(shard))
    return folder


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    """Five clips in two shards, with indexes."""
    return make_indexes(record_fixtures.write_shards(tmp_path, [clip(n) for n in range(CLIPS)], 2))


def training(folder, views=VIEWS, batches=6, **changes):
    settings = {"training": True, "seed": 4, "shuffle_buffer": 3, **changes}
    dataset = clip_dataset(folder, "train", views, 2, **settings)
    return [{key: value.numpy() for key, value in batch.items()} for batch in dataset.take(batches)]


def assert_same(batches, others):
    assert len(batches) == len(others)
    for batch, other in zip(batches, others):
        assert batch.keys() == other.keys()
        for key, value in batch.items():
            np.testing.assert_array_equal(value, other[key])


@pytest.mark.parametrize("described, sound", [(True, "flac"), (False, "float")])
def test_clips_are_those_of_the_whole_records(tmp_path, described, sound):
    changes = {"audio": None, "flac": flac(tmp_path)} if sound == "flac" else {}
    records = [clip(n, **changes) for n in range(CLIPS)]
    settings = {"audio": sound}
    record_fixtures.write_shards(tmp_path, records, 2, described=described, settings=settings)
    expected = training(tmp_path)
    make_indexes(tmp_path)
    assert open_source(tmp_path).stream("train", VIEWS)._stream.indexed
    assert_same(training(tmp_path, batches=4, start_batch=2), expected[2:])


def test_test_crops_and_labels_are_those_of_the_whole_records(folder):
    view = NARROW["narrow"]

    def read():
        crops = [item["crops"].numpy() for item in crop_dataset(folder, "train", view, 3, 2)]
        return crops, open_source(folder).labels("train", view)

    crops, labels = read()
    shutil.rmtree(folder / "index")
    whole_crops, whole_labels = read()
    np.testing.assert_array_equal(crops, whole_crops)
    np.testing.assert_array_equal(labels, whole_labels)
    assert sorted(labels) == list(range(CLIPS))


def test_an_entry_tells_where_the_values_are(folder):
    (first, *_) = shards(folder)
    entries = tf.data.TFRecordDataset(record_index.path_of(str(first))).as_numpy_iterator()
    stored = first.read_bytes()
    for number, entry in zip((0, 2, 4), entries):
        example = tf.train.Example.FromString(entry).features.feature
        assert example["clip/label/index"].int64_list.value == [number]
        places = np.reshape(example["index/image/encoded"].int64_list.value, (-1, 3))
        assert [stored[at : at + size] for at, size, _ in places] == frames(number)
        (pcm,) = np.reshape(example["index/WAVEFORM/feature/floats"].int64_list.value, (-1, 3))
        assert pcm[1] == 4 * 5_000


def test_only_what_is_shown_is_read(folder):
    """The rest of the shard may be anything, but for a record with which the views are tried first."""
    expected = training(folder, NARROW, 3)
    whole = [path.read_bytes() for path in shards(folder)]
    for path, data in zip(shards(folder), whole):
        for number in range(1, CLIPS):
            for jpeg in frames(number + 100):
                data = data.replace(jpeg, b"?" * len(jpeg))
        path.write_bytes(data)
    assert_same(training(folder, NARROW, 3), expected)


def test_a_damaged_frame_costs_its_clip_alone(folder):
    damaged = frames(2)
    path = shards(folder)[0]
    data = path.read_bytes()
    for jpeg in damaged:
        broken = bytearray(jpeg)
        broken[len(jpeg) // 2] ^= 1
        data = data.replace(jpeg, bytes(broken))
    path.write_bytes(data)
    skipped = SkippedClips()
    found = training(folder, NARROW, training=False, skipped=skipped)
    assert np.concatenate([batch["label"] for batch in found]).tolist() == [0, 4, 1, 3]
    assert skipped.count == 1
    ((name, reason),) = skipped.reasons.items()
    assert name == f"clip2.mp4 (record 1 of {path.name})"
    assert "damaged or replaced after its index was made" in reason


def test_clips_beyond_the_end_of_a_shard_are_skipped(folder):
    path = shards(folder)[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    skipped = SkippedClips()
    found = training(folder, NARROW, training=False, skipped=skipped)
    labels = np.concatenate([batch["label"] for batch in found]).tolist()
    assert labels[0] == 0 and labels[-2:] == [1, 3]
    assert skipped.count == CLIPS - len(labels) > 0


def test_a_cut_index_is_a_cut_shard(folder):
    path = pathlib.Path(record_index.path_of(str(shards(folder)[0])))
    path.write_bytes(path.read_bytes()[:-9])
    skipped = SkippedClips()
    found = training(folder, NARROW, training=False, skipped=skipped)
    assert np.concatenate([batch["label"] for batch in found]).tolist() == [0, 2, 1, 3]
    assert skipped.count == 1


def test_without_the_index_of_each_shard_records_are_read_whole(folder):
    paths = [str(shard) for shard in shards(folder)]
    assert record_index.have_indexes(paths)
    pathlib.Path(record_index.path_of(paths[1])).unlink()
    assert not record_index.have_indexes(paths)
    assert len(training(folder, NARROW, 3)) == 3


def test_object_stores_are_read_in_one_go():
    assert not record_index.have_indexes(["gs://bucket/records/train.tfrecord"])


def floats(unpacked: bool) -> bytes:
    first, second = struct.pack("<f", 0.5), struct.pack("<f", 0.25)
    value = b"\x0d" + first + b"\x0d" + second if unpacked else b"\x0a\x08" + first + second
    feature = b"\x12" + bytes([len(value)]) + value
    feature_list = b"\x0a" + bytes([len(feature)]) + feature
    name = b"WAVEFORM/feature/floats"
    pair = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(feature_list)]) + feature_list
    lists = b"\x0a" + bytes([len(pair)]) + pair
    return b"\x12" + bytes([len(lists)]) + lists


def test_sound_that_is_not_packed_has_no_place():
    for record in (floats(True), floats(False)):
        sound = tf.train.SequenceExample.FromString(record).feature_lists.feature_list
        (feature,) = sound["WAVEFORM/feature/floats"].feature
        assert feature.float_list.value == [0.5, 0.25]
    record_index.entry(floats(False), 0)
    with pytest.raises(ValueError, match="not in one piece"):
        record_index.entry(floats(True), 0)


@pytest.mark.parametrize("length", [1, 10, 1000, -1])
def test_what_is_no_record_has_no_entry(length):
    with pytest.raises(ValueError):
        record_index.entry(clip(0)[:length], 0)
    with pytest.raises(ValueError):
        record_index.entry(b"\xff" * abs(length), 0)
    with pytest.raises(ValueError, match="no SequenceExample"):
        record_index.entry(b"\x0a\x02\x0a\x09", 0)


def test_a_pipe_is_no_index(folder):
    index = record_index.path_of(str(shards(folder)[0]))
    expected = training(folder)
    with waiting_pipes.unwritten(index):
        assert not record_index.have_indexes(list(map(str, shards(folder))))
        found = training(folder)
    assert_same(found, expected)
