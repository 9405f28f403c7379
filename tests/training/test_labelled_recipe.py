"""The recipe that trains a backbone of another recipe with labels."""

import gin
import numpy as np
import pytest
import tiny_run

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.objectives.supervised import Supervised
from brave_tf.training import labelled_recipe
from brave_tf.training.recipe import Recipe

MACROS = """
import brave_tf.evaluation.protocols.svm
BACKBONE = @narrow/tsm_light()
BACKBONES = {'narrow': %BACKBONE, 'broad_audio': @broad_audio/audio_light()}
BraVe.backbones = %BACKBONES
OPTIMIZER = @sgd
train.optimizer = %OPTIMIZER
linear_svm.C = 7.0
"""


def load(folder, extra=""):
    config.load_config([str(tiny_run.write_recipe(folder, folder, extra))])
    return Recipe()


@pytest.fixture
def loaded(tmp_path):
    return load(tmp_path)


def derive(view="narrow", **arguments):
    scope = labelled_recipe.free_scope()
    labelled_recipe.derive(
        view, scope, {"train.num_steps": 9}, supervised={"num_classes": 3}, **arguments
    ).load()
    return scope, Recipe()


@pytest.mark.parametrize(("view", "extra"), [("narrow", ""), ("broad_audio", MACROS)])
def test_it_has_the_backbone_and_the_view_alone(tmp_path, view, extra):
    loaded = load(tmp_path, extra)
    expected = loaded.build(seed=0).backbones[view].get_weights()
    _, recipe = derive(view)
    assert recipe.views == {view: loaded.views[view]}
    objective = recipe.build(seed=0)
    assert isinstance(objective, Supervised)
    assert list(objective.backbones) == [view]
    assert objective.classifiers[view].units == 3
    for weight, other in zip(objective.backbones[view].get_weights(), expected):
        np.testing.assert_array_equal(weight, other)
    assert gin.query_parameter("train.num_steps") == 9


def test_the_view_changes_and_layers_are_frozen_as_asked(loaded):
    _, recipe = derive(view_changes={"num_frames": 6}, frozen_up_to="stem")
    assert recipe.views["narrow"].shape == (6, 16, 16, 3)
    names = [v.name for v in recipe.build(seed=0).trainable_variables]
    assert names and not any(name.startswith("stem") for name in names)


def test_a_recipe_that_was_derived_can_be_derived_from(loaded):
    first, _ = derive(view_changes={"num_frames": 6})
    second, recipe = derive(view_changes={"size": 24})
    assert first != second
    assert recipe.views["narrow"].shape == (6, 24, 24, 3)
    assert list(recipe.build(seed=0).backbones) == ["narrow"]


def test_bindings_of_protocols_are_left_out_and_the_configuration_stays(tmp_path):
    load(tmp_path, MACROS)
    before = gin.config_str()
    derived = labelled_recipe.derive("narrow", "labelled", {}, supervised={"num_classes": 3})
    assert gin.config_str() == before
    assert "linear_svm.C" in before
    derived.load()
    assert "linear_svm.C" not in gin.config_str()


def test_what_is_loaded_again_from_its_text_is_the_same(loaded):
    derive(view_changes={"num_frames": 6}, frozen_up_to="stem")
    text, bindings = gin.config_str(), config.bindings_text()
    config.load_text(text)
    assert (gin.config_str(), config.bindings_text()) == (text, bindings)


@pytest.mark.parametrize("value", [object(), {"a": [print]}])
def test_a_value_that_would_be_missing_in_the_written_configuration_is_refused(loaded, value):
    before = gin.config_str()
    with pytest.raises(UserError, match="^train.seed = .*print|^train.seed = .*object"):
        labelled_recipe.derive("narrow", "labelled", {"train.seed": value}, supervised={})
    assert gin.config_str() == before


@pytest.mark.parametrize("bound", [True, False])
def test_monitors_of_the_model_do_not_watch_it_and_nothing_is_bound_without(tmp_path, bound):
    named = "import brave_tf.training.monitors.standstill\ntrain.monitors = [@StandstillWatch]"
    load(tmp_path, named if bound else "")
    derive()
    if bound:
        assert gin.query_parameter("train.monitors") == ()
    else:
        assert "train.monitors" not in gin.config_str()


def test_macros_are_resolved(tmp_path):
    load(tmp_path, MACROS)
    assert labelled_recipe.bound_value("train.optimizer").selector == "sgd"


def test_rules_between_windows_are_left_out(tmp_path):
    rule = """
import brave_tf.data.views.copied_window
Recipe.windows = @CopiedWindow()
CopiedWindow.view = 'broad_audio'
CopiedWindow.of = 'narrow'
"""
    assert len(load(tmp_path, rule).windows) == 1
    _, recipe = derive()
    assert recipe.windows == ()


def test_parts_that_a_run_began_with_are_left_out(tmp_path):
    parts = {"predictors/narrow": "runs/a", "projectors": ("runs/b", "projectors")}
    load(tmp_path, f"train.initial_parts = {parts}\n")
    assert gin.query_parameter("train.initial_parts") == parts
    derive()
    assert gin.query_parameter("train.initial_parts") is None
