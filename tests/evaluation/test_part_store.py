"""Parts of features on disk."""

import os

import numpy as np

from brave_tf.evaluation.part_store import PartStore, digest_of_files, digest_of_weights


def rows(first, count):
    labels = np.arange(first, first + count)
    return np.stack([labels, -labels], 1).astype(np.float32), labels


def test_parts_come_back_in_order(tmp_path):
    store = PartStore(tmp_path, {"a": 1, "b": 2})
    assert store.load() == ([], [])
    for first in range(0, 60, 5):
        store.add(*rows(first, 5))
    reopened = PartStore(tmp_path, {"b": 2, "a": 1})
    features, labels = reopened.load()
    expected_features, expected_labels = rows(0, 60)
    np.testing.assert_array_equal(np.concatenate(features), expected_features)
    np.testing.assert_array_equal(np.concatenate(labels), expected_labels)
    reopened.add(*rows(60, 1))
    assert len(PartStore(tmp_path, {"a": 1, "b": 2}).load()[0]) == 13


def test_another_key_is_another_store(tmp_path):
    PartStore(tmp_path, {"a": 1}).add(*rows(0, 2))
    assert PartStore(tmp_path, {"a": 2}).load() == ([], [])


def test_a_part_that_was_being_written_does_not_count(tmp_path):
    store = PartStore(tmp_path, {})
    store.add(*rows(0, 2))
    (part,) = tmp_path.glob("*/part-*.npz")
    part.with_name("unfinished.npz").write_bytes(b"half")
    assert len(PartStore(tmp_path, {}).load()[0]) == 1


def test_digests_change_with_what_they_stand_for(tmp_path):
    weights = [np.zeros((2, 3), np.float32), np.ones(4, np.float32)]
    digest = digest_of_weights(weights)
    assert digest == digest_of_weights([w.copy() for w in weights])
    assert digest != digest_of_weights([weights[0].reshape(3, 2), weights[1]])
    assert digest != digest_of_weights([weights[0], weights[1] + 1e-6])

    path = tmp_path / "a"
    path.write_text("x")
    digest = digest_of_files([str(path)])
    assert digest == digest_of_files([str(path)])
    os.utime(path, ns=(0, 0))
    assert digest != digest_of_files([str(path)])
