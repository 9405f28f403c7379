import math
import subprocess
import sys

import gin
import pytest
import reference
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.training import settings
from brave_tf.training.optimizers import schedules


def test_warmup_cosine_rises_linearly_and_falls_along_a_cosine():
    schedule = schedules.warmup_cosine(peak=2.0, warmup_steps=10, total_steps=110, final=0.5)

    assert float(schedule(0)) == 0.0
    assert float(schedule(5)) == pytest.approx(1.0)
    assert float(schedule(10)) == pytest.approx(2.0)
    quarter = 0.5 + 1.5 * 0.5 * (1 + math.cos(math.pi * 0.25))
    assert float(schedule(35)) == pytest.approx(quarter, rel=1e-6)
    assert float(schedule(60)) == pytest.approx(1.25)
    assert float(schedule(110)) == pytest.approx(0.5)
    assert float(schedule(10_000)) == pytest.approx(0.5)


def test_warmup_cosine_without_warmup_starts_at_the_peak():
    schedule = schedules.warmup_cosine(peak=0.3, warmup_steps=0, total_steps=10)
    assert float(schedule(0)) == pytest.approx(0.3)
    assert float(schedule(5)) == pytest.approx(0.15)


@pytest.mark.parametrize("name", ["default", "short", "adam_short"])
def test_warmup_cosine_agrees_with_reference(golden_dir, name):
    golden, cases = reference.values(golden_dir, "optimizer")
    case = cases[f"schedule/{name}"]
    schedule = schedules.warmup_cosine(
        peak=case["peak_value"],
        warmup_steps=case["warmup_steps"],
        total_steps=case["decay_steps"],
        final=case["end_value"],
        initial=case["init_value"],
    )
    got = [float(schedule(step)) for step in golden[f"schedule/{name}/steps"]]
    expected = golden[f"schedule/{name}/values"]
    assert got == pytest.approx(expected, abs=1e-6 * case["peak_value"])


def test_piecewise_agrees_with_reference(golden_dir):
    golden, cases = reference.values(golden_dir, "optimizer")
    case = cases["schedule/piecewise"]
    values = [case["init_value"]]
    for scale in case["boundaries_and_scales"].values():
        values.append(values[-1] * scale)
    boundaries = [int(step) for step in case["boundaries_and_scales"]]

    schedule = schedules.piecewise(values, boundaries)

    got = [float(schedule(step)) for step in golden["schedule/piecewise/steps"]]
    assert got == pytest.approx(golden["schedule/piecewise/values"], rel=1e-6)


def test_piecewise_changes_at_its_boundaries():
    schedule = schedules.piecewise([1.0, 0.1, 0.01], [3, 5])
    expected = [1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    assert [float(schedule(step)) for step in range(7)] == pytest.approx(expected)


def test_the_rate_is_scaled_with_the_batch_where_that_is_bound():
    gin.parse_config("""
        train.batch_size = %BATCH
        train.data_dir = 'data'
        train.num_steps = 8
        train.optimizer = @warmup_cosine
        BATCH = 96
        linear_scaling.rate = @warmup_cosine()
        linear_scaling.reference_batch = 64
        warmup_cosine.peak = 2.0
        warmup_cosine.warmup_steps = 2
        warmup_cosine.total_steps = 8
    """)
    plain, scaled = schedules.warmup_cosine(), schedules.linear_scaling()
    config = tf.keras.optimizers.schedules.serialize(scaled)
    copy = tf.keras.optimizers.schedules.deserialize(config)
    assert settings.Settings().batch_size == 96
    for step in (0, 1, 2, 5, 8):
        assert float(scaled(step)) == pytest.approx(1.5 * float(plain(step)))
        assert float(copy(step)) == float(scaled(step))
    assert schedules.linear_scaling(0.1, 256, batch_size=64) == pytest.approx(0.025)


def test_unusable_schedules_are_refused():
    with pytest.raises(UserError, match="total_steps = 5"):
        schedules.warmup_cosine(peak=1.0, warmup_steps=5, total_steps=5)
    with pytest.raises(UserError, match="peak"):
        schedules.warmup_cosine(peak=0.0, warmup_steps=1, total_steps=5)
    with pytest.raises(UserError, match="one value more"):
        schedules.piecewise([1.0], [3])
    with pytest.raises(UserError, match="increasing"):
        schedules.piecewise([1.0, 0.5, 0.1], [5, 3])
    with pytest.raises(UserError, match="reference_batch = 0"):
        schedules.linear_scaling(0.1, 0, batch_size=8)


def test_without_a_run_the_batch_is_asked_for():
    code = """
from brave_tf.errors import UserError
from brave_tf.training.optimizers import schedules
assert schedules.linear_scaling(0.1, 256, batch_size=512) == 0.2
try:
    schedules.linear_scaling(0.1, 256)
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "linear_scaling.batch_size is not bound" in done.stdout
