"""Extraction of features against embedding everything at once."""

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.evaluation import features
from brave_tf.evaluation.part_store import PartStore

WINDOWS = np.random.default_rng(0).normal(size=(30, 4, 3)).astype(np.float32)
LABELS = np.arange(30) // 3
WEIGHTS = np.random.default_rng(1).normal(size=(12, 5)).astype(np.float32)
EXPECTED = np.tanh(WINDOWS.reshape(30, 12) @ WEIGHTS)


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


def extract(embed, count=30, group=1, store=None, windows=WINDOWS):
    dataset = tf.data.Dataset.from_tensor_slices((windows, LABELS[: len(windows)]))
    return features.extract(
        embed, dataset, count, batch_size=4, description="test", group=group, store=store
    )


def test_features_of_every_window_in_batches_of_one_size():
    embed = Embed()
    found, labels = extract(embed)
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(labels, LABELS)
    assert embed.shapes == [(4, 4, 3)]  # traced once, though the last batch has two windows
    assert embed.batches == 8
    assert found.dtype == np.float32


def test_crops_are_averaged_across_batches():
    found, labels = extract(Embed(), group=3)
    np.testing.assert_allclose(found, EXPECTED.reshape(10, 3, 5).mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(labels, np.arange(10))


def test_no_more_windows_than_asked_for():
    embed = Embed()
    found, _ = extract(embed, count=9, group=3)
    np.testing.assert_allclose(found, EXPECTED[:9].reshape(3, 3, 5).mean(1), rtol=1e-5, atol=1e-6)
    assert embed.batches == 3


def test_fewer_windows_than_asked_for_give_fewer_rows():
    found, labels = extract(Embed(), group=3, windows=WINDOWS[:12])
    assert found.shape == (4, 5)
    np.testing.assert_array_equal(labels, np.arange(4))


def test_no_window_at_all_is_an_error():
    with pytest.raises(UserError, match="not one clip could be read"):
        extract(Embed(), windows=WINDOWS[:0])


def test_an_interrupted_extraction_goes_on_where_it_was(tmp_path):
    key = {"weights": "a"}
    with pytest.raises(tf.errors.OpError):
        extract(Embed(fails_at=5), group=3, store=PartStore(tmp_path, key))
    # 4 batches of 4 windows went through: 5 clips of 3 windows, and one window more.
    embed = Embed()
    found, labels = extract(embed, group=3, store=PartStore(tmp_path, key))
    np.testing.assert_allclose(found, EXPECTED.reshape(10, 3, 5).mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(labels, np.arange(10))
    assert embed.batches == 4  # 15 windows

    again = Embed()
    repeated, _ = extract(again, group=3, store=PartStore(tmp_path, key))
    np.testing.assert_array_equal(repeated, found)
    assert again.batches == 0

    other = Embed()
    extract(other, group=3, store=PartStore(tmp_path, {"weights": "b"}))
    assert other.batches == 8


def test_rows_are_kept_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "_SECONDS_BETWEEN_PARTS", -1.0)
    extract(Embed(), group=3, store=PartStore(tmp_path, {}))
    stored, labels = PartStore(tmp_path, {}).load()
    assert [len(part) for part in labels] == [1, 1, 2, 1, 1, 2, 1, 1]
    np.testing.assert_allclose(
        np.concatenate(stored), EXPECTED.reshape(10, 3, 5).mean(1), rtol=1e-5, atol=1e-6
    )
