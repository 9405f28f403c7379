"""What replicas tell each other, against the batch of one device."""

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas

from brave_tf import errors
from brave_tf.objectives import replicas

ROWS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def on_two(function):
    """Calls it on each of two replicas with half of the rows; returns what each says."""
    strategy = two_replicas()
    halves = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(ROWS, 2)[context.replica_id_in_sync_group])
    )
    run = tf.function(lambda: strategy.run(function, args=(halves,)))
    return [value.numpy() for value in strategy.experimental_local_results(run())]


def test_rows_are_gathered_in_order():
    for got in on_two(replicas.gather_over_replicas):
        np.testing.assert_array_equal(got, ROWS)
    np.testing.assert_array_equal(replicas.gather_over_replicas(ROWS), ROWS)
    for got in on_two(lambda x: replicas.gather_over_replicas(tf.cast(x[:, 0] * 1000, tf.int64))):
        np.testing.assert_array_equal(got, (ROWS[:, 0] * 1000).astype(np.int64))


def test_unequal_rows_are_refused():
    def one_more_on_the_second(x):
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        rows = tf.cond(index == 1, lambda: tf.concat([x, x[:1]], axis=0), lambda: x)
        return replicas.gather_over_replicas(rows)

    with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
        on_two(one_more_on_the_second)


def test_what_is_not_finite_stays_in_its_place():
    def gathered(x):
        bad = tf.where(tf.range(3)[:, None] == 1, np.nan, x)
        return replicas.gather_over_replicas(bad)

    expected = ROWS.copy()
    expected[[1, 4]] = np.nan
    for got in on_two(gathered):
        np.testing.assert_array_equal(got, expected)


def test_rows_of_others():
    first, second = on_two(replicas.gather_from_others)
    np.testing.assert_array_equal(first, ROWS[3:])
    np.testing.assert_array_equal(second, ROWS[:3])
    assert replicas.gather_from_others(tf.constant(ROWS)).shape == (0, 3)


@pytest.mark.parametrize("flows", [True, False])
def test_gradients_are_those_of_the_whole_batch(flows):
    weights = np.arange(36, dtype=np.float32).reshape(6, 6)

    def gradient(x):
        own = replicas.clip_positions(3)
        with tf.GradientTape() as tape:
            tape.watch(x)
            every = replicas.gather_over_replicas(x, gradients=flows)
            products = tf.matmul(x, every, transpose_b=True)
            loss = tf.reduce_sum(products * tf.gather(weights, own))
        return tape.gradient(loss, x)

    both = weights + weights.T if flows else weights
    np.testing.assert_allclose(np.concatenate(on_two(gradient)), both @ ROWS, rtol=1e-4)


def test_positions_and_processes():
    def said(x):
        return tf.concat([replicas.clip_positions(3), replicas.clip_positions(tf.shape(x)[0])], 0)

    np.testing.assert_array_equal(on_two(said), [[0, 1, 2] * 2, [3, 4, 5] * 2])
    for size in (1, 2, 3, 6, None):
        got = np.concatenate(on_two(lambda x, size=size: replicas.same_process(3, size)))
        process = np.arange(6) // (size or 3)
        np.testing.assert_array_equal(got, process[:, None] == process[None])
        if size:
            np.testing.assert_array_equal(replicas.same_process(6, size), got)


def test_processes_of_unequal_size_are_refused():
    replicas.check_processes("A.clips_per_process", None, 8)
    replicas.check_processes("A.clips_per_process", 4, 8)
    with pytest.raises(
        errors.UserError, match="A.clips_per_process = 3: expected a divisor of the 8"
    ):
        replicas.check_processes("A.clips_per_process", 3, 8)
