"""Runs whose weights do not move, and figures that are means over nothing."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from brave_tf import config, errors
from brave_tf.objectives.base import GRADIENT_NORM
from brave_tf.training import run
from brave_tf.training.event_files import read_events
from brave_tf.training.monitors.advice import Advice
from brave_tf.training.monitors.standstill import StandstillError, StandstillWatch

OFTEN = ("train.log_every = 5", "train.checkpoint_every = 50")
FROZEN = "sgd.multipliers = {'.': 0.0}"
# Gradients overflow float16 at any loss scale, though the loss is finite.
OVERFLOWING = ("train.precision = 'mixed_float16'", "BraVe.loss_scale = 1e30")


def load(folder, records, *bindings, extra=""):
    config.load_config([str(tiny_run.write_recipe(folder, records, extra))], [*OFTEN, *bindings])


def charted(folder, run_name="train"):
    """Tag -> steps of its points."""
    points = {}
    for event in read_events(folder / "tensorboard" / run_name):
        for value in event.summary.value:
            points.setdefault(value.tag, []).append(event.step)
    return points


@pytest.mark.long
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_whose_steps_are_all_left_out_stops_with_advice(tmp_path, records, accumulate):
    bindings = ("StandstillWatch.steps = 20", "train.num_steps = 60")
    load(tmp_path, records, *OVERFLOWING, *bindings, f"train.accumulate_steps = {accumulate}")
    with pytest.raises(StandstillError) as error:
        run.train(str(tmp_path / "run"))
    for part in ("step 20: no weight has moved since step 0", "loss scale of 1.", "mixed_bfloat16"):
        assert part in str(error.value)
    points = charted(tmp_path / "run")
    assert points["loss"] == [5, 10, 15, 20]
    assert "optimizer/gradient_norm" not in points  # not 0, which would be a mean over nothing


@pytest.mark.long
def test_a_short_run_whose_steps_are_all_left_out_says_so(tmp_path, records, capsys):
    load(tmp_path, records, *OVERFLOWING, "train.num_steps = 6")
    assert run.train(str(tmp_path / "run"))
    assert "warned about: standstill" in capsys.readouterr().out


@pytest.mark.long
def test_a_search_for_a_loss_scale_is_no_standstill(tmp_path, records, capsys):
    # Finite from a loss scale of about 2 ** 9 on: some of the first steps are left out.
    bindings = ("train.precision = 'mixed_float16'", "BraVe.loss_scale = 200.0")
    load(tmp_path, records, *bindings, "StandstillWatch.steps = 15", "train.num_steps = 30")
    assert run.train(str(tmp_path / "run"))
    assert "standstill" not in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize(
    ("bindings", "reason"),
    [
        (["sgd.learning_rate = 0.0"], "the learning rate is 0"),
        ([FROZEN], "too small for the weights, at a learning rate of 0.05"),
        (["BraVe.loss_scale = 0.0"], "all gradients are 0"),
    ],
)
def test_the_reason_is_told(tmp_path, records, bindings, reason):
    load(tmp_path, records, *bindings, "StandstillWatch.steps = 4", "train.num_steps = 20")
    with pytest.raises(
        StandstillError, match=f"step 5: no weight has moved since step 0: .*{reason}"
    ):
        run.train(str(tmp_path / "run"))


@pytest.mark.long
def test_a_warm_up_from_0_is_no_standstill_and_a_resumed_run_counts_anew(tmp_path, records, capsys):
    warm_up = """
import brave_tf.training.optimizers.schedules
sgd.learning_rate = @warmup_cosine()
warmup_cosine.peak = 0.05
warmup_cosine.warmup_steps = 3
warmup_cosine.total_steps = 8
"""
    bindings = ("StandstillWatch.steps = 2", "train.log_every = 1", "train.keep_checkpoints = 9")
    load(tmp_path, records, *bindings, "train.num_steps = 4", extra=warm_up)
    assert run.train(str(tmp_path / "run"))
    assert "standstill" not in capsys.readouterr().out
    load(
        tmp_path,
        records,
        *bindings,
        "train.num_steps = 9",
        FROZEN,
        extra=warm_up,
    )
    with pytest.raises(StandstillError, match="step 6: no weight has moved since step 4"):
        run.train(str(tmp_path / "run"), allow_changes=True)


@pytest.mark.long
def test_clips_without_labels_give_no_accuracy(tmp_path, capsys):
    records = tiny_run.write_records(tmp_path / "records", labels=[-1, -1])
    load(tmp_path, records, "train.num_steps = 5", extra=tiny_run.SOUND_ALONE)
    assert run.train(str(tmp_path / "run"))
    points = charted(tmp_path / "run")
    assert "optimizer/learning_rate" in points
    assert not {tag for tag in points if tag.startswith(("accuracy", "loss"))}
    assert "loss of no clip" in capsys.readouterr().out


def test_a_number_that_cannot_be_used_is_named():
    with pytest.raises(errors.UserError, match="StandstillWatch.steps = 0: expected a whole"):
        StandstillWatch(steps=0)


class Still:
    """Has one weight and an optimizer in the place of an objective."""

    def __init__(self):
        self.trainable_variables = [tf.Variable([1.0, 2.0])]
        self.optimizer = tf.keras.optimizers.SGD(0.1)


def test_the_smallest_move_of_one_weight_is_a_move():
    objective, watch, means = Still(), StandstillWatch(steps=10), {"loss": 1.0}
    watch.start(objective, 3, Advice())
    watch.look(12, means)
    (weight,) = objective.trainable_variables
    weight.assign([1.0, np.nextafter(np.float32(2), np.float32(3))])
    watch.look(20, means)
    watch.look(29, means)
    with pytest.raises(StandstillError, match="step 30: no weight has moved since step 20"):
        watch.look(30, means)


def test_steps_that_a_schedule_has_made_too_small_are_warned_about():
    objective, watch, advice = Still(), StandstillWatch(steps=10), Advice()
    means = {"loss": 1.0, GRADIENT_NORM: 2.0}
    watch.start(objective, 0, advice)
    objective.trainable_variables[0].assign([3.0, 4.0])
    watch.look(10, means)
    watch.look(20, means)
    assert advice.given == ["standstill"]
    objective.optimizer.learning_rate = 0.0
    with pytest.raises(StandstillError, match="since step 10: the learning rate is 0"):
        watch.look(30, means)


@pytest.mark.parametrize(("last", "warned"), [(1, []), (2, ["standstill"])])
def test_one_step_tells_nothing(last, warned):
    watch, advice = StandstillWatch(), Advice()
    watch.start(Still(), 0, advice)
    watch.conclude(last, {"loss": 1.0})
    assert advice.given == warned
