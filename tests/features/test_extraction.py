"""Extraction of features against embedding everything at once."""

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.features import extraction
from brave_tf.features.extraction import ExtractionJob
from brave_tf.features.store import FeatureStore

CLIPS, CROPS = 10, 3
WINDOWS = np.random.default_rng(0).normal(size=(2, CLIPS, CROPS, 4, 3)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=(12, 5)).astype(np.float32)
# Of passes, clips and crops.
EXPECTED = np.tanh(WINDOWS.reshape(2, CLIPS, CROPS, 12) @ WEIGHTS)


class Embed:
    """Remembers how often it was traced and called, and with what shape."""

    def __init__(self, fails_at=None):
        self.shapes, self.batches, self._fails_at = [], 0, fails_at

    def __call__(self, batch):
        self.shapes.append(tuple(batch.shape))
        tf.py_function(self._count, [], [])
        return tf.tanh(tf.reshape(batch, (-1, 12)) @ WEIGHTS)

    def _count(self):
        self.batches += 1
        if self.batches == self._fails_at:
            raise KeyboardInterrupt


def windows_of(passes, clips=CLIPS, crops=CROPS, unreadable=()):
    """The windows of the clips of each pass, as the pipeline makes them."""
    parts = []
    for position, (number, start) in enumerate(passes):
        index = [i for i in range(start, clips) if i not in unreadable]
        shape = (len(index), crops)
        parts.append(
            {
                "window": WINDOWS[number % 2, index, :crops],
                "index": np.broadcast_to(np.array(index, np.int64).reshape(-1, 1), shape),
                "path": np.broadcast_to(
                    np.array([b"%d" % i for i in index] or 0, "S2").reshape(-1, 1), shape
                ),
                "pass": np.full(shape, position),
                "label": np.broadcast_to(np.array(index, np.int64).reshape(-1, 1) * 2, shape),
            }
        )
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return tf.data.Dataset.from_tensor_slices(whole)


def job(stores, average=True, crops=CROPS, **kwargs):
    make = lambda passes: windows_of(passes, crops=crops, **kwargs)  # noqa: E731
    return ExtractionJob(make, CLIPS, stores, crops, average)


def extract(embed, jobs, **kwargs):
    extraction.extract(embed, jobs, batch_size=4, description="test", **kwargs)


def store(folder=None, **key):
    return FeatureStore(folder, key)


def test_the_crops_of_each_clip_in_batches_of_one_size():
    embed, found = Embed(), store()
    extract(embed, [job([found], average=False)])
    rows = found.load()
    np.testing.assert_allclose(rows.features, EXPECTED[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(rows.index, np.arange(CLIPS))
    np.testing.assert_array_equal(rows.labels, 2 * np.arange(CLIPS))
    assert rows.paths.tolist() == [str(i) for i in range(CLIPS)]
    assert embed.shapes == [(4, 4, 3)]  # traced once, though the last batch has two windows
    assert embed.batches == 8
    assert rows.features.dtype == np.float32
    assert found.done


def test_crops_are_averaged_across_batches():
    found = store()
    extract(Embed(), [job([found])])
    expected = EXPECTED[0].mean(1, keepdims=True)
    np.testing.assert_allclose(found.load().features, expected, rtol=1e-5, atol=1e-6)


def test_batches_run_across_passes_and_jobs():
    embed, passes, crops = Embed(), [store(), store()], store()
    extract(embed, [job(passes, crops=1), job([crops])])
    for number in range(2):
        expected = EXPECTED[number, :, :1]
        found = passes[number].load()
        np.testing.assert_allclose(found.features, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(found.index, np.arange(CLIPS))
    expected = EXPECTED[0].mean(1, keepdims=True)
    np.testing.assert_allclose(crops.load().features, expected, rtol=1e-5, atol=1e-6)
    assert embed.batches == 13  # of 10 + 10 + 30 windows
    assert all(each.done for each in (*passes, crops))


def test_clips_that_cannot_be_read_are_left_out():
    found = store()
    extract(Embed(), [job([found], unreadable=(0, 4))])
    index = [1, 2, 3, 5, 6, 7, 8, 9]
    np.testing.assert_array_equal(found.load().index, index)
    expected = EXPECTED[0, index].mean(1, keepdims=True)
    np.testing.assert_allclose(found.load().features, expected, rtol=1e-5, atol=1e-6)


def test_no_window_at_all_is_an_error():
    with pytest.raises(UserError, match="not one clip could be read"):
        extract(Embed(), [job([store()], unreadable=range(CLIPS))])


def test_an_interrupted_extraction_goes_on_where_it_was(tmp_path):
    keys = [{"weights": "a", "pass": number} for number in range(2)]
    with pytest.raises(tf.errors.OpError):
        extract(Embed(fails_at=11), [job([store(tmp_path, **key) for key in keys])])
    stores = [store(tmp_path, **key) for key in keys]
    # The 11th batch fails while the 10th is under way: 36 windows, of 12 clips, are there.
    assert [(each.rows, each.done) for each in stores] == [(10, True), (2, False)]
    embed = Embed()
    extract(embed, [job(stores)])
    for number, each in enumerate(stores):
        expected = EXPECTED[number].mean(1, keepdims=True)
        np.testing.assert_allclose(each.load().features, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(each.load().index, np.arange(CLIPS))
    assert embed.batches == 6  # of 24 windows

    again = Embed()
    extract(again, [job([store(tmp_path, **key) for key in keys])])
    assert again.batches == 0


def test_rows_are_kept_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "_SECONDS_BETWEEN_PARTS", -1.0)
    extract(Embed(), [job([store(tmp_path)])])
    kept = store(tmp_path)
    assert [part.rows for part in kept.parts] == [1, 1, 2, 1, 1, 2, 1, 1]
    expected = EXPECTED[0].mean(1, keepdims=True)
    np.testing.assert_allclose(kept.load().features, expected, rtol=1e-5, atol=1e-6)


def test_replicas_share_the_batches():
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(devices, tf.distribute.ReductionToOneDevice())
    assert strategy.num_replicas_in_sync == 2
    embed, found = Embed(), store()
    extract(embed, [job([found], average=False)], strategy=strategy)
    np.testing.assert_allclose(found.load().features, EXPECTED[0], rtol=1e-5, atol=1e-6)
    assert embed.shapes == [(2, 4, 3)] * 2
    assert embed.batches == 16
