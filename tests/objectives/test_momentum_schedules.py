"""Momentum schedules in closed form."""

import numpy as np
import pytest

from brave_tf import errors
from brave_tf.objectives.momentum_schedules import cosine_momentum, momentum_at


def test_half_a_cosine_of_the_exact_epoch():
    momentum = cosine_momentum(0.9, 1.0, total=4, steps_per_epoch=2.5)
    steps = np.array([0, 1, 5, 10, 11, 1000])
    epochs = np.minimum(steps / 2.5, 4)
    expected = 1 - 0.1 * (np.cos(np.pi * epochs / 4) + 1) / 2
    np.testing.assert_allclose([momentum(step) for step in steps], expected, rtol=1e-14)
    assert float(momentum(10)) == 1.0


def test_a_number_is_the_same_for_all_steps():
    assert float(momentum_at(0.996, 7)) == 0.996


@pytest.mark.parametrize("options", [{"total": 0}, {"total": 1, "initial": 2.0}])
def test_what_cannot_be_is_refused(options):
    with pytest.raises(errors.UserError, match="cosine_momentum: "):
        cosine_momentum(**options)
