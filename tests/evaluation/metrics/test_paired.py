import math

import numpy as np
import pytest

from brave_tf.evaluation.metrics.paired import difference


def hits(*counts):
    """Hits of two classifiers: both right, the first alone, the second alone, neither."""
    first = np.repeat([1, 1, 0, 0], counts)
    second = np.repeat([1, 0, 1, 0], counts)
    return first, second


@pytest.mark.parametrize(
    ("alone", "other"), [(10, 2), (2, 10), (0, 5), (7, 7), (1, 0), (40, 20), (0, 0)]
)
def test_hits_are_compared_by_the_exact_test_of_mcnemar(alone, other):
    found = difference(*hits(30, alone, other, 11))
    n = alone + other
    tail = sum(math.comb(n, k) for k in range(min(alone, other) + 1)) / 2**n
    assert found.p == pytest.approx(min(1.0, 2 * tail))
    assert found.value == pytest.approx((alone - other) / (41 + n))
    assert found.clips == 41 + n


def test_clips_that_both_get_right_or_wrong_do_not_change_p():
    few, many = difference(*hits(1, 9, 2, 1)), difference(*hits(500, 9, 2, 300))
    assert few.p == many.p
    assert abs(many.value) < abs(few.value)


def test_the_interval_is_that_of_the_difference_in_each_clip():
    first, second = hits(60, 25, 5, 10)
    found = difference(first, second)
    gaps = first - second
    half = 1.96 * gaps.std() / np.sqrt(len(gaps))
    np.testing.assert_allclose(found.interval, [0.2 - half, 0.2 + half], atol=0.015)
    # Unpaired, the two intervals would be much wider than that of clips whose looks both share.
    apart = np.sqrt(first.var() + second.var()) / np.sqrt(len(gaps)) * 1.96
    assert (found.interval[1] - found.interval[0]) / 2 < 0.9 * apart


def test_chances_are_compared_by_changes_of_sign():
    rng = np.random.default_rng(0)
    second = rng.random(12)
    first = np.clip(second + rng.normal(0.1, 0.2, 12), 0, 1)
    gaps = first - second
    signs = 1 - 2 * ((np.arange(2**12)[:, None] >> np.arange(12)) & 1)
    means = np.abs((signs * gaps).mean(axis=1))
    exact = np.mean(means >= abs(gaps.mean()) - 1e-12)
    assert difference(first, second).p == pytest.approx(exact, abs=0.02)


def test_the_order_of_the_two_changes_the_sign_alone():
    first, second = hits(20, 9, 3, 5)
    there, back = difference(first, second), difference(second, first)
    assert there.value == -back.value
    assert there.p == back.p


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((3, 1), (3, 1)), ((0,), (0,))])
def test_what_cannot_be_paired_is_refused(shapes):
    with pytest.raises(ValueError, match=r"expected \(clips,\) twice"):
        difference(*(np.zeros(shape) for shape in shapes))
