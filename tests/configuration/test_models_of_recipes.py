"""What a run of any recipe, or of a stage of one, writes may stand in the folder of a model."""

import gin
import pytest

from brave_tf import config
from brave_tf.configuration import recipe_header
from brave_tf.training import recipe, stages


def loaded(name):
    """Loads the recipe, or its stages one after the other."""
    staged = stages.read_stages([name], [])
    if staged is None:
        yield config.load_config([name])
        return
    for stage in staged.stages:
        yield staged.load(stage)


@pytest.mark.parametrize("name", recipe_header.names())
def test_it_is_loaded_as_the_configuration_of_a_model(name, tmp_path):
    written = tmp_path / recipe.CONFIG_FILE
    for _ in loaded(name):
        bound = set(config.loaded().bindings)
        written.write_text(gin.config_str())
        config.load_config([], model=str(written))
        assert set(config.loaded().bindings) == bound
        assert recipe.bound(recipe.Recipe).views
