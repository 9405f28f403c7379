"""Clips that the workers of a tf.data service make."""

import socket
import time

import gin
import numpy as np
import pytest
import record_fixtures
import service
import tensorflow as tf

from brave_tf.data.pipeline import decode_service
from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.records import index as record_index
from brave_tf.data.records.reader import compression_of
from brave_tf.data.sources.attempts import SkippedClips
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import LostInputError, UserError

VIEWS = {"narrow": RgbView(num_frames=2, size=8)}
RNG = np.random.default_rng(0)


def clip(number, good=True):
    frames = RNG.integers(0, 256, (6, 12, 16, 3), np.uint8)
    images = [record_fixtures.jpeg(frame) if good else b"no jpeg" for frame in frames]
    return record_fixtures.record(images=images, labels=[number], path=f"{number}.mp4")


def clip_batches(folder, **kwargs):
    return clip_dataset(folder, "train", VIEWS, 4, training=True, seed=3, **kwargs)


def batches(folder, number, **kwargs):
    dataset = clip_batches(folder, **kwargs).take(number)
    return [{k: v.numpy() for k, v in batch.items()} for batch in dataset]


def windows(some_batches):
    """The windows, (N, values)."""
    return np.concatenate([batch["narrow"].reshape(4, -1) for batch in some_batches])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    record_fixtures.write_shards(folder, [clip(i) for i in range(12)], 4)
    for shard in folder.glob("*.tfrecord"):
        record_index.make(str(shard))
    return folder


@pytest.fixture(scope="module")
def address():
    with service.running(workers=2) as address:
        yield address


def test_two_workers_give_each_clip_of_an_epoch_once_as_without_them(folder, address):
    # Workers make clips by TensorFlow's operations alone.
    gin.parse_config("compiled_kernels.enabled = False")
    first_epoch = {window.tobytes() for window in windows(batches(folder, 3))}
    assert len(first_epoch) == 12
    given = []
    # A worker may be some epochs ahead of the other.
    for batch in clip_batches(folder, service=address).take(2000):
        given += [window.tobytes() for window in batch["narrow"].numpy().reshape(4, -1)]
        if first_epoch <= set(given):
            break
    assert first_epoch <= set(given)
    assert len(set(given)) == len(given)


def test_one_worker_keeps_the_order(folder):
    with service.running(workers=1) as address:
        first, second = (batches(folder, 6, service=address) for _ in range(2))
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one["narrow"], other["narrow"])


def test_goes_on_with_the_epoch_and_shard_that_were_reached(folder):
    with service.running(workers=1) as address:
        whole = batches(folder, 9, service=address)
        resumed = batches(folder, 3, service=address, start_batch=6)
    for one, other in zip(whole[6:], resumed):
        np.testing.assert_array_equal(one["narrow"], other["narrow"])


def test_input_pipelines_share_no_clip(folder, address):
    shares = []
    for pipeline in range(2):
        context = tf.distribute.InputContext(2, pipeline, num_replicas_in_sync=2)
        part = batches(folder, 9, service=address, input_context=context)
        shares.append({label for batch in part for label in batch["label"]})
    assert shares[0] & shares[1] == set()
    assert shares[0] | shares[1] == set(range(12))


def test_clips_that_cannot_be_read_are_noted_and_replaced(tmp_path, address):
    record_fixtures.write_shards(tmp_path, [clip(i, good=i != 5) for i in range(12)], 4)
    skipped = SkippedClips(max_share=0.2)
    given = batches(tmp_path, 12, service=address, skipped=skipped)
    assert {label for batch in given for label in batch["label"]} == set(range(12)) - {5}
    assert skipped.count >= 3
    (name,) = skipped.reasons
    assert name == "5.mp4 (record 1 of train-00001-of-00004.tfrecord)"


def test_an_address_where_nothing_listens_is_named_at_once(folder):
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        address = f"grpc://localhost:{unused.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no dispatcher.*{address[7:]}") as error:
            clip_dataset(folder, "train", VIEWS, 4, training=True, service=address)
    assert error.value.service == address[7:]


@pytest.mark.parametrize("address", ["localhost:5050", "grpc://localhost", "grpc://localhost:x"])
def test_what_is_no_address_is_refused(folder, address):
    with pytest.raises(UserError, match="address of a dispatcher"):
        clip_dataset(folder, "train", VIEWS, 4, training=True, service=address)


def test_a_service_without_workers_is_no_hang(folder, monkeypatch):
    monkeypatch.setattr(decode_service, "_ANSWER_SECONDS", 1)
    expected = pytest.raises(UserError, match="no worker .* answered within 1 s. Start some")
    with service.running(workers=0) as address, expected:
        clip_dataset(folder, "train", VIEWS, 4, training=True, service=address)


def watch_until(watch, seconds):
    """Lets a step wait so long."""
    watch.start()
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        watch.check()
        time.sleep(0.05)


def test_a_wait_ends_when_nothing_listens_any_more():
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        address = f"grpc://localhost:{unused.getsockname()[1]}"
        watch = decode_service.ServiceWatch(address, patience=1.0)
        expected = f"{address[7:]} has not answered since .*nothing listens there.*same command"
        with pytest.raises(LostInputError, match=expected):
            watch_until(watch, 60)


def test_a_wait_ends_when_the_dispatcher_has_no_worker_left():
    with service.running(workers=0) as address:
        watch = decode_service.ServiceWatch(address, patience=1.0)
        with pytest.raises(LostInputError, match="no worker makes anything"):
            watch_until(watch, 60)


@pytest.mark.long
def test_a_wait_goes_on_while_a_worker_answers(address):
    watch_until(decode_service.ServiceWatch(address, patience=8.0), 20)


@pytest.mark.parametrize("patience", [0, "60", None])
def test_the_limit_of_a_wait_is_a_positive_number(patience):
    with pytest.raises(UserError, match="ServiceWatch.patience.*positive number of seconds"):
        decode_service.ServiceWatch("grpc://localhost:5050", patience)


def test_a_service_that_was_started_anew_is_a_lost_one():
    gone = tf.errors.NotFoundError(None, None, "Iteration client id not found: 3000")
    expected = pytest.raises(LostInputError, match="host:1 was lost, or started anew")
    with expected as error, decode_service.lost_service("grpc://host:1"):
        raise gone
    assert error.value.exit_code == 69
    other = tf.errors.NotFoundError(None, None, "clips.tfrecord; No such file or directory")
    for address, given in (("grpc://host:1", other), (None, gone)):
        with pytest.raises(tf.errors.NotFoundError), decode_service.lost_service(address):
            raise given


def test_workers_that_do_not_see_the_records_are_named(tmp_path, address):
    file = str(tmp_path / "elsewhere.tfrecord")
    with pytest.raises(UserError, match=f"a worker cannot read {file}"):
        decode_service.distribute(tf.data.Dataset.range(3), address, file)


def test_compressed_records(tmp_path, address):
    record_fixtures.write_shards(tmp_path, [clip(i) for i in range(8)], 2)
    for path in tmp_path.glob("*.tfrecord"):
        records = [r.numpy() for r in tf.data.TFRecordDataset(str(path))]
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for record in records:
                writer.write(record)
    assert compression_of(str(path)) == "GZIP"
    given = batches(tmp_path, 6, service=address)
    assert {label for batch in given for label in batch["label"]} == set(range(8))
