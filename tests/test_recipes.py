"""Every recipe builds at full size, and its settings are those that its file promises."""

import numpy as np
import pytest

from brave_tf import config
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.schedules import warmup_cosine
from brave_tf.training.settings import Settings

RECIPES = sorted(path.stem for path in config.RECIPE_DIR.glob("*.gin"))


@pytest.mark.parametrize("name", RECIPES)
def test_it_builds_with_its_optimizer(name):
    config.load_config([name])
    recipe, settings = bound(Recipe), bound(Settings)
    objective = recipe.build(settings.seed)
    objective.compile(settings.optimizer())
    assert settings.num_steps > 0
    for view, backbone in objective.backbones.items():
        assert backbone.output_shape == (None, objective.feature_size(view))
        assert len(backbone.input_shape) == len(recipe.views[view].shape) + 1
    variables = objective.trainable_variables
    multiplied = [v.name for v in variables if objective.optimizer.multiplier(v) != 1.0]
    assert multiplied == [v.name for v in variables if "predictor/" in v.name]


def test_as_v_fa_is_the_full_size_recipe():
    config.load_config(["as_v_fa"])
    recipe, settings = bound(Recipe), bound(Settings)
    shapes = {name: view.shape for name, view in recipe.views.items()}
    assert shapes == {
        "narrow": (16, 224, 224, 3),
        "broad_flow": (64, 112, 112, 2),
        "broad_audio": (3072, 80),
    }
    objective = recipe.build(0)
    millions = {k: b.count_params() / 1e6 for k, b in objective.backbones.items()}
    for count in millions.values():
        assert 23.4 < count < 23.6
    assert objective.projectors["narrow"].output_shape == (None, 128)
    assert settings.batch_size == 512


def test_the_schedule_of_as_v_fa():
    config.load_config(["as_v_fa"])
    schedule = warmup_cosine()
    rates = [float(schedule(step)) for step in (0, 2500, 5000, 152500, 300000)]
    np.testing.assert_allclose(rates, [0, 0.5, 1.0, 0.5, 0.0], atol=1e-5)


def test_the_laptop_overlay_keeps_the_views_and_shrinks_them():
    config.load_config(["as_v_fa", "gin/overlays/laptop.gin"])
    recipe, settings = bound(Recipe), bound(Settings)
    shapes = {name: view.shape for name, view in recipe.views.items()}
    assert shapes == {
        "narrow": (8, 64, 64, 3),
        "broad_flow": (16, 48, 48, 2),
        "broad_audio": (1024, 40),
    }
    assert recipe.views["broad_audio"].log_mel.empty_bands() == []
    assert recipe.build(0).backbones["narrow"].count_params() < 1e6
    assert settings.num_steps == 1000
