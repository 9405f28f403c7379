"""Rates by depth, by hand for a small network, and frozen beginnings."""

import re

import numpy as np
import pytest
import tensorflow as tf
from small_backbones import BACKBONES
from toy_models import dense_backbone

from brave_tf.errors import UserError
from brave_tf.training.optimizers import layer_rates
from brave_tf.training.optimizers.multipliers import plain_name
from brave_tf.training.optimizers.sgd import sgd


def build(name):
    tf.keras.utils.set_random_seed(0)
    builder, _ = BACKBONES[name]
    return builder()


def factors(backbone, decay):
    """Variable name -> the factors of the patterns that are found in it."""
    multipliers = layer_rates.depth_multipliers(backbone, decay)
    names = [plain_name(variable) for variable in backbone.trainable_variables]
    return {n: [f for p, f in multipliers.items() if re.search(p, n)] for n in names}


def test_each_stage_is_slower_than_the_next_by_the_decay():
    found = factors(build("tsm_light"), 0.5)
    assert {name.split("_block")[0]: value for name, value in found.items()} == {
        "stem/kernel": [0.125],
        "stage_1": [0.25],
        "stage_2": [0.5],
        "last_norm/gamma": [0.5],
        "last_norm/beta": [0.5],
    }


def test_every_variable_of_a_keras_cv_backbone_has_one_factor_and_they_rise_with_depth():
    found = list(factors(build("keras_cv_on_sound"), 0.5).values())
    assert all(len(each) == 1 for each in found)
    assert found == sorted(found)
    assert len(set(map(tuple, found))) >= 2


def test_a_step_moves_each_layer_by_its_factor():
    steps = {}
    for decay in (1.0, 0.5):
        backbone = build("tsm_light")
        optimizer = sgd(0.1, multipliers=layer_rates.depth_multipliers(backbone, decay))
        optimizer.build(backbone.trainable_variables)
        before = [v.numpy() for v in backbone.trainable_variables]
        gradients = [tf.ones_like(v) for v in backbone.trainable_variables]
        optimizer.apply_gradients(zip(gradients, backbone.trainable_variables))
        steps[decay] = [v.numpy() - b for v, b in zip(backbone.trainable_variables, before)]
    expected = [factor for (factor,) in factors(build("tsm_light"), 0.5).values()]
    for slow, fast, factor in zip(steps[0.5], steps[1.0], expected):
        np.testing.assert_allclose(slow, factor * fast, atol=1e-6)
        assert np.abs(fast).min() > 0.05


def test_without_decay_there_are_no_multipliers():
    assert layer_rates.depth_multipliers(dense_backbone(3, 2), 1.0) == {}


def test_a_backbone_without_stages_is_named():
    with pytest.raises(UserError, match="the backbone model.* has no layers called stem"):
        layer_rates.depth_multipliers(dense_backbone(3, 2), 0.5)


def test_frozen_layers_keep_weights_and_statistics():
    backbone = build("tsm_light")
    layer_rates.freeze(backbone, "stage_1")
    optimizer = sgd(0.1, multipliers=layer_rates.depth_multipliers(backbone, 0.5))
    optimizer.build(backbone.trainable_variables)  # raises for patterns of frozen variables
    before = {v.name: v.numpy() for v in backbone.variables}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(
            backbone(tf.random.stateless_uniform((2, 4, 32, 32, 3), (0, 0)), True) ** 2
        )
    gradients = tape.gradient(loss, backbone.trainable_variables)
    optimizer.apply_gradients(zip(gradients, backbone.trainable_variables))
    for variable in backbone.variables:
        frozen = re.match(r"stem|stage_1", variable.name) is not None
        assert np.array_equal(variable, before[variable.name]) == frozen, variable.name


def test_an_unknown_end_point_is_named():
    with pytest.raises(
        UserError, match="frozen_up_to = 'stage_9'.* stem, stage_1, stage_2, last_conv"
    ):
        layer_rates.freeze(build("tsm_light"), "stage_9")
