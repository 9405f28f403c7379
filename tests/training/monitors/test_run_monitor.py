"""Runs that go wrong: what stops them, what they leave, and what they say."""

import re

import gin
import numpy as np
import pytest
import tiny_run

from brave_tf import config, errors
from brave_tf.training import recipe, run
from brave_tf.training.monitors.non_finite import NonFiniteError


@gin.configurable
def spoilt(values, seed):
    """An augmentation that makes infinity of everything."""
    del seed
    return values / 0.0


def load(folder, records, *bindings):
    config.load_config([str(tiny_run.write_recipe(folder, records))], bindings)


def saved_steps(folder):
    return sorted(int(path.stem[5:]) for path in (folder / "checkpoints").glob("step-*.index"))


@pytest.mark.long
def test_a_run_that_diverges_keeps_its_last_good_checkpoint_and_goes_on_from_it(tmp_path, records):
    folder = tmp_path / "run"
    load(tmp_path, records, "train.num_steps = 2")
    assert run.train(str(folder))

    often = ("train.log_every = 1", "train.checkpoint_every = 8", "train.num_steps = 8")
    load(tmp_path, records, "sgd.learning_rate = 1e30", *often)
    with pytest.raises(NonFiniteError) as error:
        run.train(str(folder), allow_changes=True)
    assert re.match(
        r"step [45]: the (loss|gradient) is not finite: first in term \w+, view '\w+', layer \w+_light/\w+\. "
        "Nothing was saved since step 2, whose checkpoint is good. Lower the learning rate, ",
        str(error.value),
    )
    assert saved_steps(folder) == [2]
    weights = recipe.load_run(str(folder)).objective.weights
    assert all(np.isfinite(weight.numpy()).all() for weight in weights)

    load(tmp_path, records, "train.num_steps = 4")
    assert run.train(str(folder), allow_changes=True)


def test_clips_that_are_not_finite_are_told_from_layers(tmp_path, records):
    load(
        tmp_path, records, "narrow/RgbView.augmentations = [@spoilt]", "train.checkpoint_every = 1"
    )
    with pytest.raises(NonFiniteError) as error:
        run.train(str(tmp_path / "run"))
    assert re.match(
        "step 1: the (loss|gradient) is not finite: first in the clips of view 'narrow', before any layer. "
        "No checkpoint was saved yet.",
        str(error.value),
    )
    assert not (tmp_path / "run" / "checkpoints").exists()


@gin.configurable
def absent_probe(data_dir, views):
    raise errors.UserError(f"no labels in {data_dir} for {sorted(views)}")


def test_a_probe_that_cannot_be_used_stops_a_run_before_it_starts(tmp_path, records):
    load(tmp_path, records, "train.probe = @absent_probe")
    with pytest.raises(errors.UserError, match="no labels in .* for \\['broad_audio', 'narrow'\\]"):
        run.train(str(tmp_path / "run"))
    assert not (tmp_path / "run" / "tensorboard").exists()
