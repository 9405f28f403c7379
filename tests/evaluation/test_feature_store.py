"""Features on disk."""

import os
import threading

import numpy as np
import pytest

from brave_tf.evaluation.feature_store import (
    FeatureStore,
    Rows,
    digest_of_files,
    digest_of_weights,
    size_of,
    sole_writer,
)


def rows(first, count):
    index = np.arange(first, first + count)
    features = np.stack([index, -index], 1).astype(np.float32)[:, None]
    return Rows(features, index, index % 3, np.array([f"{i}.mp4" for i in index]))


@pytest.mark.parametrize("on_disk", [True, False])
def test_rows_come_back_in_order(tmp_path, on_disk):
    folder = tmp_path if on_disk else None
    store = FeatureStore(folder, {"a": 1, "b": 2})
    assert (store.load(), store.rows, store.next_index, store.done) == (None, 0, 0, False)
    for first in range(0, 60, 5):
        store.add(rows(first, 5))
    if on_disk:
        store = FeatureStore(folder, {"b": 2, "a": 1})
    assert (store.rows, store.next_index, [part.rows for part in store.parts]) == (60, 60, [5] * 12)
    expected = rows(0, 60).columns()
    for name, column in store.load().columns().items():
        np.testing.assert_array_equal(column, expected[name])
    store.add(rows(70, 1))
    assert store.next_index == 71
    store.finish()
    assert store.done
    assert FeatureStore(folder, {"a": 1, "b": 2}).done == on_disk


def test_another_key_is_another_store(tmp_path):
    FeatureStore(tmp_path, {"a": 1}).add(rows(0, 2))
    assert FeatureStore(tmp_path, {"a": 2}).rows == 0
    assert FeatureStore(tmp_path, {"a": 1}).rows == 2
    parts = list(tmp_path.glob("*/*"))
    assert size_of(tmp_path) == sum(path.stat().st_size for path in parts) > 0


def test_a_part_that_was_being_written_does_not_count(tmp_path, monkeypatch):
    store = FeatureStore(tmp_path, {})
    store.add(rows(0, 2))
    monkeypatch.setattr(np, "savez", lambda file, **columns: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.add(rows(2, 2))
    assert FeatureStore(tmp_path, {}).rows == 2


def test_damaged_features_are_computed_again(tmp_path):
    store = FeatureStore(tmp_path, {})
    store.add(rows(0, 2))
    store.finish()
    (part,) = tmp_path.glob("*/part-*.npz")
    part.write_bytes(part.read_bytes()[:50])
    again = FeatureStore(tmp_path, {})
    assert (again.rows, again.done) == (0, False)


def test_one_process_at_a_time_computes_features(tmp_path, capsys):
    order = []

    def second():
        with sole_writer(tmp_path):
            order.append("second")

    with sole_writer(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert "waiting for another evaluation" in capsys.readouterr().out


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
