"""What steps draw: by the seed of a run and their number alone."""

import numpy as np
import tensorflow as tf
from replicas import two_replicas
from scipy import stats

from brave_tf.objectives.draws import Draws


def drawn(seed, steps=200):
    """Chances of two kinds and orders of 4, of each step."""
    np.random.seed(seed)
    draws = Draws()

    @tf.function
    def step():
        found = draws.chance(0), draws.chance(1), draws.permutation(0, 4)
        draws.advance()
        return found

    return [np.array(each) for each in zip(*(step() for _ in range(steps)))]


def test_draws_follow_the_seed_and_change_with_each_step():
    one, again, other = drawn(0), drawn(0), drawn(1)
    for got, expected, different in zip(one, again, other):
        np.testing.assert_array_equal(got, expected)
        assert not np.array_equal(got, different)
    for chances in one[:2]:
        assert stats.kstest(chances, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(one[0], one[1])[0, 1]) < 0.3
    np.testing.assert_array_equal(np.sort(one[2], axis=-1), np.tile(np.arange(4), (200, 1)))
    first = np.bincount(one[2][:, 0], minlength=4)
    assert stats.chisquare(first).pvalue > 1e-3


def test_replicas_and_xla_draw_the_same():
    def draw():
        return tf.concat(
            [draws.chance(1)[tf.newaxis], tf.cast(draws.permutation(0, 9), tf.float64)], 0
        )

    strategy = two_replicas()
    with strategy.scope():
        draws = Draws()
    found = strategy.experimental_local_results(tf.function(lambda: strategy.run(draw))())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(tf.function(draw, jit_compile=True)(), found[0])
    np.testing.assert_array_equal(draw(), found[0])


CLIPS, EACH, BELOW = 4, 6, 11


def numbers(draws, clips=CLIPS, training=True):
    return draws.numbers(0, clips, EACH, BELOW, training)


def test_each_step_has_numbers_of_its_own_and_held_out_clips_the_same():
    draws = Draws()
    steps, held_out = [], []
    for _ in range(2):
        steps.append(numbers(draws).numpy())
        np.testing.assert_array_equal(steps[-1], numbers(draws))
        held_out.append(numbers(draws, training=False).numpy())
        draws.advance()
    assert not np.array_equal(*steps) and not np.array_equal(steps[0], held_out[0])
    np.testing.assert_array_equal(*held_out)


def test_all_numbers_are_as_likely():
    found = Draws().numbers(0, 100, 110, BELOW, True).numpy()
    assert found.dtype == np.int64
    assert stats.chisquare(np.bincount(found.ravel(), minlength=BELOW)).pvalue > 1e-4


def test_replicas_have_their_parts_of_the_numbers_of_one_device():
    np.random.seed(3)
    expected = numbers(Draws())
    strategy = two_replicas()
    np.random.seed(3)
    with strategy.scope():
        draws = Draws()
    run = tf.function(lambda: strategy.run(lambda: numbers(draws, CLIPS // 2)))
    parts = strategy.experimental_local_results(run())
    np.testing.assert_array_equal(tf.concat(parts, axis=0), expected)
