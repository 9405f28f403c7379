"""Random orders of rows in parts: every clip once, whatever fits in memory."""

import feature_parts
import numpy as np
import pytest

from brave_tf.evaluation.protocols.heads.rows import TrainingRows

# The row of clip n in pass p is (n, p), its label is n % 3.
CLIPS = 23
LABELS = np.arange(CLIPS) % 3
SIZES = (5, 9, 1, 8)


def passes(number=2):
    clips = np.arange(CLIPS, dtype=np.float32)
    rows = [np.stack([clips, np.full(CLIPS, p, np.float32)], 1) for p in range(number)]
    return [feature_parts.parts(row, LABELS, SIZES) for row in rows]


def order(rows, number, batch_size=4, seed=0, without=()):
    """The clips of an epoch; makes sure that their labels and the sizes of batches are right."""
    batches = list(rows.epoch(number, batch_size, seed, without))
    assert [len(labels) for _, labels in batches[:-1]] == [batch_size] * (len(batches) - 1)
    features, labels = (np.concatenate(column) for column in zip(*batches))
    np.testing.assert_array_equal(labels, features[:, 0] % 3)
    assert set(features[:, 1]) == {number % 2}  # passes take turns
    return features[:, 0].astype(int).tolist()


@pytest.mark.parametrize("memory", [1, 8, 14, 1000])
def test_an_epoch_has_every_clip_once_in_an_order_of_its_own(memory):
    rows = TrainingRows(passes(), memory)
    orders = [order(rows, number) for number in range(4)]
    assert all(sorted(clips) == list(range(CLIPS)) for clips in orders)
    assert len(set(map(tuple, orders))) == 4
    assert [order(TrainingRows(passes(), memory), number) for number in range(4)] == orders
    assert order(rows, 0, seed=1) != orders[0]


def test_orders_are_uniform_where_everything_fits_in_memory():
    rows = TrainingRows(passes(1), 100)
    firsts = [next(rows.epoch(number, 1, 0))[0][0, 0] for number in range(400)]
    counts = np.bincount(np.array(firsts, int), minlength=CLIPS)
    expected = len(firsts) / CLIPS
    assert ((counts - expected) ** 2 / expected).sum() < 45  # chi squared of 22, p < 0.003


def test_rows_of_many_parts_are_mixed_as_far_as_memory_goes():
    clips = order(TrainingRows(passes(), 14), 0)
    parts = np.searchsorted(np.cumsum(SIZES), clips, side="right")
    changes = np.count_nonzero(np.diff(parts))
    assert changes > len(SIZES)


def test_what_fits_in_memory_is_read_once():
    small, large = passes(), passes()
    for number in range(4):
        order(TrainingRows(small, 2 * CLIPS), number)
    kept = TrainingRows(small, 2 * CLIPS)
    before = [part.reads for parts in small for part in parts]
    streamed = TrainingRows(large, 2 * CLIPS - 1)
    for rows in (kept, streamed):
        for number in range(4):
            order(rows, number)
    assert [p.reads - b for p, b in zip(small[0] + small[1], before)] == [1] * 8
    assert [part.reads for parts in large for part in parts] == [2] * 8


def test_clips_left_out_are_those_of_all_passes():
    without = np.array(["train/3", "train/9", "train/22"])
    rows = TrainingRows(passes(), 8)
    kept = sorted(set(range(CLIPS)) - {3, 9, 22})
    for number in range(2):
        assert sorted(order(rows, number, without=without)) == kept
    features, labels = rows.only(without)
    np.testing.assert_array_equal(features, [[3, 0], [9, 0], [22, 0]])
    np.testing.assert_array_equal(labels, [0, 0, 1])


def test_facts_of_all_features():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, (2, CLIPS, 4)).astype(np.float32)
    values[..., 3] = 7  # no spread
    parts = [feature_parts.parts(features, LABELS, SIZES) for features in values]
    facts = TrainingRows(parts, 1).facts(5)
    flat = values.reshape(-1, 4).astype(np.float64)
    np.testing.assert_allclose(facts.scaler.mean_, flat.mean(0))
    np.testing.assert_allclose(facts.scaler.scale_, [*flat[:, :3].std(0), 1])
    np.testing.assert_array_equal(facts.positives, [8, 8, 7, 0, 0])
    assert sorted(facts.keys) == sorted(f"train/{clip}" for clip in range(CLIPS))


def test_labels_of_several_classes_are_counted():
    labels = np.random.default_rng(0).random((CLIPS, 3)) < 0.4
    parts = feature_parts.parts(np.zeros((CLIPS, 2), np.float32), labels, SIZES)
    np.testing.assert_array_equal(TrainingRows([parts], 9).facts(3).positives, labels.sum(0))
