"""Features on disk."""

import pathlib
import pickle
import re
import resource
import threading

import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.features.store import (
    FeatureStore,
    Rows,
    size_of,
    sole_writer,
)
from brave_tf.storage.files import NotWrittenError


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
    half = lambda file, array, **_: file.write(b"half") and 1 / 0  # noqa: E731
    monkeypatch.setattr(np.lib.format, "write_array", half)
    with pytest.raises(ZeroDivisionError):
        store.add(rows(2, 2))
    assert FeatureStore(tmp_path, {}).rows == 2


def cut_short(path):
    path.write_bytes(path.read_bytes()[:50])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def make_a_pickle(path):
    path.write_bytes(pickle.dumps({"features": [1, 2]}))


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, make_a_pickle, pathlib.Path.unlink])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_damaged_parts_are_made_again(tmp_path, caplog, damage, number):
    store = FeatureStore(tmp_path, {})
    for first in (0, 5, 10):
        store.add(rows(first, 5))
    store.finish()
    part = sorted(tmp_path.glob("*/part-*.npz"))[number]
    damage(part)
    again = FeatureStore(tmp_path, {})
    assert (again.next_index, again.done) == (5 * number, False)
    assert str(part) in caplog.text and "computed again" in caplog.text
    # What is left is as it should be for the next process too.
    assert FeatureStore(tmp_path, {}).rows == again.rows
    again.add(rows(5 * number, 15 - 5 * number))
    again.finish()
    whole = FeatureStore(tmp_path, {})
    assert whole.done
    for name, column in whole.load().columns().items():
        np.testing.assert_array_equal(column, rows(0, 15).columns()[name])


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, make_a_pickle, pathlib.Path.unlink])
def test_a_damaged_list_of_the_parts_is_made_again(tmp_path, caplog, damage):
    store = FeatureStore(tmp_path, {})
    store.add(rows(0, 2))
    store.finish()
    (path,) = tmp_path.glob("*/store.json")
    damage(path)
    again = FeatureStore(tmp_path, {})
    assert (again.rows, again.done) == (0, False)
    assert str(path) in caplog.text
    assert not list(tmp_path.glob("*/part-*"))


def test_every_bit_of_the_list_counts(tmp_path):
    store = FeatureStore(tmp_path, {})
    store.add(rows(0, 2))
    (path,) = tmp_path.glob("*/store.json")
    path.write_text(path.read_text().replace('"last": 1', '"last": 3'))
    assert FeatureStore(tmp_path, {}).next_index == 0


def test_a_part_that_breaks_while_it_is_used_is_named(tmp_path):
    store = FeatureStore(tmp_path, {})
    store.add(rows(0, 2))
    (path,) = tmp_path.glob("*/part-*")
    flip_a_bit(path)
    with pytest.raises(UserError, match=f"{path} cannot be read any more.*start the same command"):
        store.load()


def test_a_full_disk_is_told_with_what_is_kept(tmp_path):
    store = FeatureStore(tmp_path, {})
    store.add(rows(0, 2))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(NotWrittenError, match="part-000001.npz could not be written") as told:
            store.add(rows(2, 5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.search(r"[\d,.]+ MB are free on that disk.*kept.*same command again", str(told.value))
    assert told.value.exit_code == 1
    again = FeatureStore(tmp_path, {})
    assert again.rows == 2
    assert not list(tmp_path.rglob(".*"))


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
