"""NCE and its rows, against loops."""

import numpy as np

from brave_tf.objectives.noise_contrast import nce, rows_outside

RNG = np.random.default_rng(0)


def test_the_loss_averages_positives_and_adds_negatives():
    positive, negative, z = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 5)), 1.5
    expected = [
        -np.mean(np.log(np.exp(p) / (np.exp(p) + 5 * z)))
        - np.sum(np.log(5 * z / (np.exp(n) + 5 * z)))
        for p, n in zip(positive, negative)
    ]
    got = nce(positive.astype("f4"), negative.astype("f4"), np.float32(z))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_scores_of_any_size_have_finite_losses():
    got = nce(np.float32([[-100.0], [100.0]]), np.float32([[100.0], [-100.0]]), np.float32(1))
    np.testing.assert_allclose(got, [200, 0], atol=1e-5)


def test_every_other_row_comes_once_of_all_draws():
    rows = np.array([[0, 3, 4], [1, 5, 6], [2, 3, 4]])
    draws = np.tile(np.arange(4), (3, 1))
    expected = [[1, 2, 5, 6], [0, 2, 3, 4], [0, 1, 5, 6]]
    np.testing.assert_array_equal(rows_outside(rows, draws), expected)
