"""Runs begin with the backbones of other runs and of exported models."""

import shutil

import clustering
import numpy as np
import pytest
import tensorflow as tf
import toy_models
import untrained_run
import waiting_pipes

from brave_tf.errors import UserError
from brave_tf.interop import saved_model
from brave_tf.training import checkpoint_files, recipe
from brave_tf.training.checkpoints import FOLDER
from brave_tf.training.initial_weights import load_backbones, load_initial
from brave_tf.training.settings import Settings


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


ROWS = {"count": 12, "digest": "a"}


def clustered():
    return clustering.Clustering({"broad_audio": toy_models.dense_backbone(3, 4)})


def begin_with(objective, rows=ROWS, **settings):
    load_initial(objective, Settings("", lambda: None, batch_size=1, num_steps=1, **settings), rows)


@pytest.fixture
def other(tmp_path):
    """A run with a bank and a classifier, and the objective that it has."""
    objective = clustered()
    checkpoint = tf.train.Checkpoint(objective=objective)
    checkpoint_files.write(checkpoint, tmp_path / FOLDER, 3, rows=ROWS)
    return str(tmp_path), objective


def test_parts_of_another_run_are_taken_by_name(other):
    folder, expected = other
    objective = clustered()
    kept = objective.queue.entries.numpy(), objective.backbones["broad_audio"].get_weights()
    parts = {"bank": folder, "classifier/kernel": (folder, "classifier/kernel")}
    begin_with(objective, initial_parts=parts)
    np.testing.assert_array_equal(objective.bank.vectors, expected.bank.vectors)
    np.testing.assert_array_equal(objective.classifier.kernel, expected.classifier.kernel)
    np.testing.assert_array_equal(objective.queue.entries, kept[0])
    for weight, before in zip(objective.backbones["broad_audio"].get_weights(), kept[1]):
        np.testing.assert_array_equal(weight, before)


def test_a_part_may_have_another_name_there(other):
    folder, expected = other
    objective = clustered()
    # A second, frozen network, as that which chooses what another one learns.
    objective.chooses = toy_models.dense_backbone(3, 4)
    begin_with(objective, initial_parts={"chooses": (folder, "backbones/broad_audio")})
    for weight, other_weight in zip(
        objective.chooses.weights, expected.backbones["broad_audio"].weights
    ):
        np.testing.assert_array_equal(weight, other_weight)


@pytest.mark.parametrize(
    ("rows", "parts", "message"),
    [
        ({"count": 12, "digest": "b"}, "bank", "'bank', which has a row for each clip, but"),
        ({"count": 11, "digest": "a"}, "kept", "'kept', which has a row for each clip, but"),
        (None, "labels", "was not trained on the same clips"),
        (ROWS, "heads/narrow", "Clustering has no 'heads' there"),
        (ROWS, "backbones/narrow", "Clustering has no 'narrow' there"),
    ],
)
def test_parts_that_cannot_be_taken(other, rows, parts, message):
    objective = clustered()
    objective.kept = {"first": objective.bank}
    with pytest.raises(UserError, match=message):
        begin_with(objective, rows, initial_parts={parts: other[0]})


def test_a_part_of_another_shape_is_refused(other):
    objective = clustered()
    with pytest.raises(UserError, match="does not fit"):
        begin_with(objective, initial_parts={"classifier": (other[0], "queue")})
