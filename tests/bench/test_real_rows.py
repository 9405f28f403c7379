import pytest

from bench.real_rows import ROWS, Probe, Probed
from bench.real_sets import SETS
from brave_tf import config
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings


@pytest.mark.parametrize("row", sorted(ROWS))
def test_its_recipe_loads_and_has_the_views_that_are_probed(row):
    row = ROWS[row]
    assert set(row.pool) | set(row.probed) <= set(SETS)
    config.load_config([row.recipe])
    views = bound(Recipe).views
    for probed in row.probed.values():
        named = {probe.view for probe in probed.probes} - {None}
        assert named <= set(views)
        assert len(probed.probes) == (len(named) or len({view.modality for view in views.values()}))
    assert bound(Settings).num_steps >= 500


def test_a_task_of_several_views_has_to_name_them():
    Probed((Probe("folds/linear", "narrow"), Probe("folds/linear", "broad_video")))
    with pytest.raises(ValueError, match="folds/linear: several probes"):
        Probed((Probe("folds/linear"), Probe("folds/linear", "broad_video")))
