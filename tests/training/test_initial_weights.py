"""Runs begin with the backbones of other runs and of exported models."""

import shutil

import numpy as np
import pytest
import untrained_run
import waiting_pipes

from brave_tf.errors import UserError
from brave_tf.interop import saved_model
from brave_tf.training import recipe
from brave_tf.training.initial_weights import load_backbones


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return untrained_run.write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def exported(model_dir, tmp_path_factory):
    """What an export has of the weights of Keras."""
    output = tmp_path_factory.mktemp("exported")
    (output / saved_model.WEIGHTS).mkdir()
    for view, backbone in recipe.load_run(str(model_dir)).objective.backbones.items():
        backbone.save_weights(str(output / saved_model.WEIGHTS / f"{view}.weights.h5"))
    return output


@pytest.mark.parametrize("kind", ["model_dir", "exported"])
def test_the_backbones_are_those_of_the_views(kind, model_dir, exported):
    folder = {"model_dir": model_dir, "exported": exported}[kind]
    expected = recipe.load_run(str(model_dir)).objective
    objective = recipe.load_run(str(model_dir), restore=False).objective
    heads = [w.numpy() for w in objective.projectors["narrow"].weights]
    load_backbones(objective.backbones, str(folder))
    for view in ("narrow", "broad_audio"):
        pairs = zip(objective.backbones[view].weights, expected.backbones[view].weights)
        for weight, other in pairs:
            np.testing.assert_array_equal(weight, other)
    for weight, before in zip(objective.projectors["narrow"].weights, heads):
        np.testing.assert_array_equal(weight, before)


def test_a_checkpoint_that_is_not_there_is_named(model_dir):
    objective = recipe.load_run(str(model_dir), restore=False).objective
    with pytest.raises(UserError, match="checkpoint '7'.*steps 2"):
        load_backbones(objective.backbones, str(model_dir), "7")


@pytest.mark.parametrize("kind", ["model_dir", "exported"])
def test_other_architectures_are_refused(kind, model_dir, exported):
    folder = {"model_dir": model_dir, "exported": exported}[kind]
    backbones = recipe.load_run(str(model_dir), restore=False).objective.backbones
    with pytest.raises(UserError, match="does not fit"):
        load_backbones({"narrow": backbones["broad_audio"]}, str(folder))


def test_a_folder_without_weights_is_named(model_dir, tmp_path):
    objective = recipe.load_run(str(model_dir), restore=False).objective
    with pytest.raises(UserError, match="has no weights for view 'broad_audio'"):
        load_backbones(objective.backbones, str(tmp_path))


def test_weights_that_are_a_pipe_are_not_waited_for(model_dir, exported, tmp_path):
    shutil.copytree(exported, tmp_path / "exported")
    path = tmp_path / "exported" / saved_model.WEIGHTS / "narrow.weights.h5"
    objective = recipe.load_run(str(model_dir), restore=False).objective
    with (
        waiting_pipes.unwritten(path),
        pytest.raises(UserError, match="has no weights for view 'narrow'"),
    ):
        load_backbones(objective.backbones, str(tmp_path / "exported"))
