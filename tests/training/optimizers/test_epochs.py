import math

import gin
import numpy as np
import peer_values
import pytest
import tensorflow as tf
import tiny_run

from brave_tf.errors import UserError
from brave_tf.training.optimizers.epochs import by_epoch
from brave_tf.training.optimizers.schedules import (
    piecewise,
    rate_by_shard,
    warmup_cosine,
)
from brave_tf.training.optimizers.warmup import warmup_into


def at(schedule, epochs, clips=1000, batch=10):
    """The rates at the steps of exact epochs."""
    steps = [round(float(epoch) * clips / batch) for epoch in epochs]
    return [float(schedule(tf.constant(step, tf.int64))) for step in steps]


def test_a_step_is_a_part_of_an_epoch():
    schedule = by_epoch(warmup_cosine(1.0, 0, 10), clips=30, batch_size=4)
    for step in (0, 1, 7, 8, 40, 74, 75, 99):
        epoch = min(step * 4 / 30, 10)
        expected = 0.5 * (1 + math.cos(math.pi * epoch / 10))
        assert float(schedule(step)) == pytest.approx(expected, abs=1e-6)


def test_whole_epochs_change_between_them_only():
    schedule = by_epoch(piecewise([1.0, 0.1, 0.01], [2, 3]), whole=True, clips=30, batch_size=4)
    found = [float(schedule(step)) for step in range(30)]
    expected = [[1.0, 1.0, 0.1, 0.01][min(step * 4 // 30, 3)] for step in range(30)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_boundaries_within_epochs_count_from_their_first_step_on():
    schedule = by_epoch(piecewise([1.0, 0.1], [2.5]), clips=20, batch_size=4)
    expected = [1.0 if step * 4 / 20 < 2.5 else 0.1 for step in range(20)]
    np.testing.assert_allclose([float(schedule(s)) for s in range(20)], expected, rtol=1e-6)


def test_steps_beyond_the_precision_of_floats():
    schedule = by_epoch(piecewise([1.0, 0.1], [10_000]), whole=True, clips=33_333, batch_size=3)
    assert float(schedule(111_109_999)) == pytest.approx(1.0)
    assert float(schedule(111_110_000)) == pytest.approx(0.1)


@pytest.mark.parametrize("clips, rate", [("rho2", 0.6), ("rho4", 1.2)])
def test_it_is_rho_byols(shared_dir, clips, rate):
    """The cosine over all epochs, entered after a linear rise, by the exact epoch; one shard and four."""
    golden = peer_values.arrays(shared_dir, "rho_byol")
    epochs = golden["schedule/epochs"]
    cosine = warmup_cosine(rate, warmup_steps=0, total_steps=200)
    per_shard = by_epoch(warmup_into(cosine, 35, initial=0.001), clips=1000, batch_size=10)
    expected = golden[f"schedule/lr_{clips}_one_shard_f64"]
    exact = np.isclose(epochs * 100, np.round(epochs * 100), atol=1e-3)
    assert exact.sum() > 5
    found = np.array(at(per_shard, epochs[exact]))
    np.testing.assert_allclose(found, expected[exact], atol=1e-6)
    found = np.array(at(rate_by_shard(per_shard, 4), epochs[exact]))
    np.testing.assert_allclose(found, 4 * expected[exact], atol=4e-6)


def test_it_is_gdts(shared_dir):
    """A rise by whole epochs from .01 to .01 times 64 processes; milestones take effect an epoch late."""
    golden = peer_values.arrays(shared_dir, "gdt")
    peak = rate_by_shard(0.01, 64)
    after = {
        "k400_script": peak,
        "default": piecewise([peak, 0.1 * peak, 0.01 * peak], [151, 176]),
    }
    for row, schedule in after.items():
        schedule = by_epoch(
            warmup_into(schedule, 10, initial=0.01), whole=True, clips=1000, batch_size=10
        )
        expected = golden[f"schedule/{row}_lr"]
        np.testing.assert_allclose(at(schedule, range(len(expected))), expected, rtol=2e-6)
        np.testing.assert_allclose(at(schedule, [3.5, 9.99]), expected[[3, 9]], rtol=2e-6)


@pytest.mark.parametrize("row, boundaries", [("infonce_250_280", [250, 280]), ("coclr_80", [80])])
def test_it_is_coclrs(shared_dir, row, boundaries):
    golden = peer_values.arrays(shared_dir, "coclr")
    values = 1e-3 * 0.1 ** np.arange(len(boundaries) + 1)
    schedule = by_epoch(piecewise(list(values), boundaries), whole=True, clips=1000, batch_size=10)
    found = at(schedule, golden["schedule/epochs"])
    np.testing.assert_allclose(found, golden[f"schedule/lr_{row}_f64"], rtol=1e-6)


def test_clips_and_batch_are_those_of_the_run(tmp_path):
    records = tiny_run.write_records(tmp_path / "records")
    gin.parse_config(f"""
        import brave_tf.training.settings
        import brave_tf.training.optimizers.epochs
        train.data_dir = '{records}'
        train.batch_size = 2
        train.num_steps = 8
        train.optimizer = @by_epoch
        train.held_out_every = 3
        by_epoch.schedule = @piecewise()
        by_epoch.whole = True
        piecewise.values = [1.0, 0.5, 0.25, 0.125]
        piecewise.boundaries = [1, 2, 3]
    """)
    from brave_tf.data.sources.kinds import open_source

    clips = open_source(str(records)).num_clips("train")
    trained_on = clips - math.ceil(clips / 3)
    config = by_epoch().get_config()
    assert (config["clips"], config["batch_size"]) == (trained_on, 2)


def test_it_can_be_stored_and_compiled():
    schedules = tf.keras.optimizers.schedules
    schedule = by_epoch(warmup_into(warmup_cosine(0.5, 0, 9), 2), clips=30, batch_size=4)
    copy = schedules.deserialize(schedules.serialize(schedule))
    compiled = tf.function(schedule, jit_compile=True)
    for step in range(0, 80, 7):
        assert float(copy(step)) == float(schedule(step))
        found = float(compiled(tf.constant(step, tf.int64)))
        assert found == pytest.approx(float(schedule(step)), abs=1e-7)


def test_unusable_numbers_are_refused():
    with pytest.raises(UserError, match="by_epoch.clips = 0"):
        by_epoch(0.1, clips=0, batch_size=4)
    with pytest.raises(UserError, match="shards = 0"):
        rate_by_shard(0.1, 0)
