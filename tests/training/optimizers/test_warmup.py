import math

import gin
import numpy as np
import peer_values
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.training.optimizers.schedules import piecewise, warmup_cosine
from brave_tf.training.optimizers.warmup import falling_steps, warmup_into


def cosine(peak, steps):
    return warmup_cosine(peak, warmup_steps=0, total_steps=steps)


def test_it_rises_to_what_the_schedule_is_at_its_end():
    schedule = warmup_into(cosine(2.0, 100), 20, initial=0.5)
    end = 1 + math.cos(math.pi * 0.2)
    assert float(schedule(0)) == 0.5
    assert float(schedule(5)) == pytest.approx(0.5 + (end - 0.5) / 4)
    assert float(schedule(20)) == pytest.approx(end)
    assert float(schedule(50)) == pytest.approx(1.0)
    assert float(schedule(1000)) == pytest.approx(0.0, abs=1e-6)


def test_a_number_is_where_the_rise_ends():
    schedule = warmup_into(0.64, 10, initial=0.01)
    found = [float(schedule(step)) for step in (0, 5, 10, 11, 500)]
    np.testing.assert_allclose(found, [0.01, 0.325, 0.64, 0.64, 0.64], rtol=1e-6)
    assert float(warmup_into(0.64, 0)(0)) == pytest.approx(0.64)


@pytest.mark.parametrize("row", ["pretrain", "linear"])
def test_it_is_cvrls(shared_dir, row):
    golden = peer_values.arrays(shared_dir, "cvrl")
    peak, steps = {"pretrain": (0.32, 71_488), "linear": (32.0, 35_744)}[row]
    schedule = warmup_into(cosine(peak, steps), 1787)
    found = [float(schedule(step)) for step in golden[f"schedule/{row}/steps"]]
    np.testing.assert_allclose(found, golden[f"schedule/{row}/lr"], atol=2e-6 * peak)


def test_it_can_be_stored_and_bound():
    gin.parse_config("""
        import brave_tf.training.optimizers.warmup
        warmup_into.schedule = @warmup_cosine()
        warmup_into.steps = 4
        warmup_cosine.peak = 0.5
        warmup_cosine.warmup_steps = 0
        warmup_cosine.total_steps = 10
    """)
    schedule, schedules = warmup_into(), tf.keras.optimizers.schedules
    copy = schedules.deserialize(schedules.serialize(schedule))
    nested = warmup_into(piecewise([1.0, 0.1], [6]), 3)
    nested_copy = schedules.deserialize(schedules.serialize(nested))
    compiled = tf.function(schedule, jit_compile=True)
    for step in range(12):
        assert float(copy(step)) == float(schedule(step))
        assert float(nested_copy(step)) == float(nested(step))
        assert float(compiled(tf.constant(step))) == pytest.approx(float(schedule(step)), abs=1e-7)


def test_unusable_numbers_are_refused():
    with pytest.raises(UserError, match="steps = -1"):
        warmup_into(0.1, -1)


def test_steps_fall_at_shares_of_the_whole():
    schedule = falling_steps(2.0, warmup_steps=10, total_steps=100, milestones=(0.5, 0.9))
    found = [float(schedule(step)) for step in (0, 5, 10, 49, 50, 89, 90, 99)]
    np.testing.assert_allclose(found, [0, 1, 2, 2, 0.2, 0.2, 0.02, 0.02], rtol=1e-6)
    for milestones in ((0.9, 0.5), (0.5, 1.5), (0.0,)):
        with pytest.raises(UserError, match="expected shares between 0 and 1, in ascending order"):
            falling_steps(1.0, 0, 10, milestones)
