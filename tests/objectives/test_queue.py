"""A queue against a list of keys."""

import numpy as np
import pytest
import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives.queue import Queue


def test_batches_replace_the_oldest_keys_in_order():
    rng = np.random.default_rng(0)
    queue = Queue(6, 3, ids=("group",))
    expected, ids = queue.entries.numpy(), np.full(6, -1)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=-1), 1, rtol=1e-6)
    for step in range(4):
        keys = rng.normal(size=(2, 3)).astype(np.float32)
        queue.push(keys, {"group": tf.constant([step, 10 + step])})
        place = 2 * step % 6
        expected[place : place + 2], ids[place : place + 2] = keys, [step, 10 + step]
        np.testing.assert_array_equal(queue.entries, expected)
        np.testing.assert_array_equal(queue.ids["group"], ids)
        assert int(queue.pointer) == 2 * (step + 1) % 6
        assert bool(queue.full) == (step >= 2)


def test_keys_that_are_not_finite_never_enter():
    queue = Queue(4, 2, ids=("group",))
    before = queue.entries.numpy()
    keys = np.array([[1, np.nan], [3, 4]], np.float32)
    queue.push(keys, {"group": tf.constant([7, 8])})
    np.testing.assert_array_equal(queue.entries, [before[0], keys[1], before[2], before[3]])
    np.testing.assert_array_equal(queue.ids["group"], [-1, 8, -1, -1])


def test_entries_of_the_same_id():
    queue = Queue(4, 2, ids=("group",))
    queue.push(np.ones((3, 2), np.float32), {"group": tf.constant([7, 8, -1])})
    got = queue.shares("group", tf.constant([8, -1, 7]))
    np.testing.assert_array_equal(got, [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]])


def test_a_queue_that_is_no_multiple_of_a_batch_is_refused():
    queue = Queue(6, 2)
    queue.check_batch(3)
    with pytest.raises(errors.UserError, match="queue has 6 entries, but a batch has 4 clips"):
        queue.check_batch(4)
    with pytest.raises(errors.UserError, match="at least 1 of each"):
        Queue(0, 2)


def test_entries_age_with_each_batch():
    queue, written = Queue(6, 2), np.zeros(6, int)
    for step in range(1, 5):
        keys = np.ones((2, 2), np.float32)
        # What does not enter leaves an entry that grows older.
        keys[1, 0] = np.nan if step == 2 else 1
        queue.push(keys)
        for row in range(2):
            if np.isfinite(keys[row]).all():
                written[(2 * (step - 1) + row) % 6] = step
        np.testing.assert_array_equal(queue.ages, step - written)
