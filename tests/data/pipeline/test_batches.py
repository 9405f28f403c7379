import pathlib

import gin
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf
from noise_clips import MEL, NOISE, RGB, VIEWS, assert_equal, batches, labels, write_ten

from brave_tf.data.pipeline.batches import clip_dataset, sample_views
from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError

WHOLE = {"frame_step": 1, "size": 16, "min_area": 1.0, "augmentations": ()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    return write_ten(tmp_path_factory.mktemp("ten"))


def test_batches_are_static_and_named(folder):
    dataset = clip_dataset(folder, "train", VIEWS, 4, training=True)
    expected = {name: (4, *view.shape) for name, view in VIEWS.items()}
    assert {k: tuple(v.shape) for k, v in dataset.element_spec.items()} == {
        **expected,
        "label": (4,),
    }
    batch = next(iter(dataset))
    assert {k: v.shape for k, v in batch.items()} == {**expected, "label": (4,)}
    assert batch["label"].dtype == tf.int64
    assert all(batch[name].dtype == tf.float32 for name in VIEWS)
    assert tf.reduce_min(batch["narrow"]) >= 0 and tf.reduce_max(batch["narrow"]) <= 1
    assert tf.reduce_max(tf.abs(batch["broad_flow"])) <= 1


def test_the_seed_decides_whatever_the_parallelism_and_the_global_seed(folder):
    tf.random.set_seed(1)
    first = batches(folder, 4, VIEWS, seed=7, num_parallel=1)
    tf.random.set_seed(2)
    assert_equal(first, batches(folder, 4, VIEWS, seed=7, num_parallel=4))
    other = batches(folder, 4, VIEWS, seed=8)
    assert labels(other) != labels(first)


def test_compiled_kernels_change_nothing_but_the_rounding(folder):
    plain, compiled = [], []
    for enabled, found in ((False, plain), (True, compiled)):
        with gin.unlock_config():
            gin.bind_parameter("compiled_kernels.enabled", enabled)
        found += batches(folder, 3, VIEWS, seed=2)
    for one, other in zip(plain, compiled):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_allclose(one[key], other[key], atol=1e-5, err_msg=key)


def test_clips_are_sampled_anew_in_every_epoch(folder):
    by_label = {}
    for batch in batches(folder, 10):
        for label, video in zip(batch["label"], batch["narrow"]):
            by_label.setdefault(int(label), []).append(video)
    for one, two in (videos[:2] for videos in by_label.values()):
        assert not np.array_equal(one, two)


def test_resumed_runs_go_on_with_the_same_batches(folder):
    whole = batches(folder, 6, VIEWS, seed=3, shuffle_buffer=5)
    assert_equal(whole[3:], batches(folder, 3, VIEWS, seed=3, shuffle_buffer=5, start_batch=3))


def test_windows_of_a_clip_follow_each_other(folder):
    usual = labels(batches(folder, 5))
    found = batches(folder, 8, VIEWS, windows_per_clip=3)
    assert labels(found) == np.repeat(usual, 3)[:32].tolist()
    first = np.concatenate([batch["narrow"] for batch in found])[:3]
    assert all(not np.array_equal(first[i], first[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    # The windows of a clip are cut by two batches here.
    again = batches(folder, 6, VIEWS, windows_per_clip=3, start_batch=2, num_parallel=1)
    assert_equal(found[2:], again)


def test_windows_of_a_clip_are_for_training(folder):
    kwargs = {"training": False}
    assert_equal(batches(folder, 9, **kwargs), batches(folder, 9, windows_per_clip=3, **kwargs))


def test_without_training_there_is_one_epoch_in_order(folder):
    all_batches = batches(folder, 99, training=False)
    assert [len(batch["label"]) for batch in all_batches] == [4, 4, 2]
    assert labels(all_batches) == [0, 3, 6, 9, 1, 4, 7, 2, 5, 8]
    assert labels(batches(folder, 99, training=False, start_batch=2)) == [5, 8]


def test_large_batches_of_small_datasets_cross_epochs(folder):
    (batch,) = batches(folder, 1, batch_size=30)
    assert sorted(batch["label"]) == sorted(list(range(10)) * 3)


@pytest.mark.parametrize("pipeline", [0, 1])
def test_an_input_pipeline_makes_its_share_for_one_replica(folder, pipeline):
    context = tf.distribute.InputContext(2, pipeline, num_replicas_in_sync=4)
    whole = batches(folder, 6, batch_size=8, input_context=context)
    assert all(len(batch["label"]) == 2 for batch in whole)
    assert set(labels(whole)) <= [{0, 3, 6, 9, 2, 5, 8}, {1, 4, 7}][pipeline]
    # Two replicas read from this pipeline, so a step takes two of its batches.
    assert_equal(whole[4:], batches(folder, 2, batch_size=8, input_context=context, start_batch=2))


def test_works_under_a_distribution_strategy(folder):
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy([name[-5:] for name in devices])
    dataset = clip_dataset(folder, "train", RGB, 4, training=True, seed=5)
    distributed = iter(strategy.experimental_distribute_dataset(dataset))
    for expected in batches(folder, 3, seed=5):
        parts = strategy.experimental_local_results(next(distributed)["narrow"])
        assert len(parts) == len(devices)
        np.testing.assert_array_equal(np.concatenate(parts), expected["narrow"])


def test_compressed_shards_are_read_as_they_are(folder, tmp_path):
    for path in sorted(folder.glob("*")):
        if path.suffix == ".json":
            continue
        with tf.io.TFRecordWriter(str(tmp_path / path.name), "GZIP") as writer:
            for record in tf.data.TFRecordDataset(str(path)):
                writer.write(record.numpy())
    plain, packed = batches(folder, 3, seed=1), batches(tmp_path, 3, seed=1)
    assert_equal(plain, packed)


def test_labels(tmp_path):
    records = [
        record_fixtures.record(images=NOISE[:5], labels=found) for found in ([], [3], [1, 4])
    ]
    record_fixtures.write_shards(tmp_path, records)
    (batch,) = batches(tmp_path, 1, training=False, num_labels=5)
    np.testing.assert_array_equal(batch["label"], [-1, 3, 1])
    expected = [[0, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 1, 0, 0, 1]]
    np.testing.assert_array_equal(batch["multi_hot"], expected)


def flash_clip(frame, number=50):
    """Black and silent but for one white frame, during which there is noise."""
    pictures = [np.full((16, 16, 3), 255 * (i == frame), np.uint8) for i in range(number)]
    pcm = np.zeros(number * 320, np.float32)
    pcm[frame * 320 : (frame + 1) * 320] = np.random.default_rng(0).normal(size=320)
    jpegs = [record_fixtures.jpeg(picture) for picture in pictures]
    record = record_fixtures.record(images=jpegs, flow=jpegs, audio=pcm, sample_rate=8000.0)
    wanted = (record_fields.IMAGE, record_fields.FLOW, record_fields.AUDIO)
    return parse_clip(tf.constant(record), wanted)


def flash_times(sample):
    """Where the flash is in each view, in frames of 1/25 s from the start of the window."""
    white = np.flatnonzero(sample["narrow"].numpy().mean(axis=(1, 2, 3)) > 0.5)
    moving = np.flatnonzero(sample["broad_flow"].numpy().mean(axis=(1, 2, 3)) > 0)
    energy = sample["broad_audio"].numpy().sum(axis=1) + 1e-9
    heard = (energy * (np.arange(len(energy)) + 0.5)).sum() / energy.sum() / 4 - 0.5
    return white, moving, heard


@pytest.mark.parametrize("number", [50, 20])
def test_synchronised_windows_show_the_same_moment(number):
    views = {
        "narrow": RgbView(num_frames=25, **WHOLE),
        "broad_flow": FlowView(num_frames=25, **WHOLE),
        "broad_audio": AudioView(duration=1.0, log_mel=MEL),
    }
    clip = flash_clip(frame=17, number=number)
    positions = set()
    for seed in range(12):
        sample = sample_views(clip, views, (seed, 0))
        white, moving, heard = flash_times(sample)
        np.testing.assert_array_equal(white, moving)
        if len(white) == 1:
            assert abs(heard - white[0]) < 0.5
            positions.add(white[0])
    assert len(positions) >= (4 if number == 50 else 1)


def test_unsynchronised_windows_start_by_themselves():
    views = {
        "narrow": RgbView(num_frames=41, **WHOLE),
        "broad_flow": FlowView(num_frames=41, sync=False, **WHOLE),
    }
    clip = flash_clip(frame=25)
    starts = []
    for seed in range(10):
        sample = sample_views(clip, views, (seed, 0))
        white = np.flatnonzero(sample["narrow"].numpy().mean(axis=(1, 2, 3)) > 0.5)
        moving = np.flatnonzero(sample["broad_flow"].numpy().mean(axis=(1, 2, 3)) > 0)
        starts.append((25 - white[0], 25 - moving[0]))
    first, second = np.transpose(starts)
    assert len(set(first)) > 3 and len(set(second)) > 3
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.9
    assert (first != second).sum() >= 5


@pytest.mark.parametrize(
    "views, kwargs, message",
    [
        ({}, {}, "no views"),
        ({"label": VIEWS["narrow"]}, {}, "'label'"),
        (RGB, {"batch_size": 0}, "batch_size = 0"),
        (RGB, {"start_batch": -1}, "start_batch = -1"),
        (RGB, {"shuffle_buffer": 0}, "shuffle_buffer = 0"),
        (RGB, {"windows_per_clip": 0}, "windows_per_clip = 0"),
        (RGB, {"input_context": tf.distribute.InputContext(1, 0, 3)}, "multiple of the 3 replicas"),
    ],
)
def test_refuses_what_cannot_be_used(folder, views, kwargs, message):
    with pytest.raises(UserError, match=message):
        batches(folder, 1, views, **kwargs)


def test_unknown_split(folder):
    with pytest.raises(UserError, match="no split 'test'"):
        clip_dataset(folder, "test", RGB, 4, training=True)


def test_gin_binds_how_clips_are_drawn_only(folder):
    gin.parse_config("clip_dataset.shuffle_buffer = 1")
    gin.parse_config("clip_dataset.windows_per_clip = 2")
    try:
        bound = batches(folder, 3, shuffle_buffer=1, windows_per_clip=2)
        assert labels(batches(folder, 3)) == labels(bound)
        with pytest.raises(ValueError, match="batch_size"):
            gin.parse_config("clip_dataset.batch_size = 1")
    finally:
        gin.clear_config()
