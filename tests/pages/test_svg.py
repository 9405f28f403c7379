"""The parts of charts."""

import numpy as np
import pytest

from brave_tf.pages import svg


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0, 3, [0, 0.5, 1, 1.5, 2, 2.5, 3]),
        (6.04, 10.08, [7, 8, 9, 10]),
        (5, 5, [5]),
        (0, 6e5, [0, 1e5, 2e5, 3e5, 4e5, 5e5, 6e5]),
    ],
)
def test_ticks_are_round_and_inside(low, high, expected):
    np.testing.assert_allclose(svg.ticks(low, high), expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (999, "999"),
        (1234, "1234"),
        (1500, "1.5k"),
        (300_000, "300k"),
        (2e6, "2M"),
    ],
)
def test_large_numbers_are_written_short(value, expected):
    assert svg.short(value) == expected
