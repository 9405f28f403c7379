"""Charts of momentum copies."""

import gin
import pytest
import tiny_run

from brave_tf import config
from brave_tf.objectives.similarity import NAMES
from brave_tf.training import run
from brave_tf.training.event_files import read_events

EXTRA = """
import brave_tf.objectives.momentum_schedules
import brave_tf.objectives.rho_byol

Recipe.views = {'narrow': @narrow/RgbView(), 'second': @narrow/RgbView()}
Recipe.objective = @RhoBYOL
RhoBYOL.backbones = {'narrow': @narrow/tsm_light(), 'second': 'narrow'}
RhoBYOL.momentum = @cosine_momentum()
cosine_momentum.initial = 0.5
cosine_momentum.total = 8
narrow/tsm_light.widths = (8,)
narrow/tsm_light.blocks = (1,)
train.num_steps = 4
train.log_every = 1
"""


def charted(folder):
    """Tag -> step -> value."""
    points = {}
    for event in read_events(folder / "tensorboard" / "train"):
        for value in event.summary.value:
            if value.tensor.dtype == 1 and not value.tensor.tensor_shape.dim:
                found = value.tensor.float_val or memoryview(value.tensor.tensor_content).cast("f")
                points.setdefault(value.tag, {})[event.step] = found[0]
    return points


def test_a_run_shows_how_far_the_copy_is_and_its_momentum(tmp_path, records):
    config.load_config([str(tiny_run.write_recipe(tmp_path, records, EXTRA))])
    assert run.train(str(tmp_path / "run"))
    points = charted(tmp_path / "run")
    # Before the first step the copy is set to the network, which that step moves on.
    assert 0 < points["target/distance"][1] < points["target/distance"][4] < 1
    momenta = [points["target/momentum"][step] for step in (1, 2, 3, 4)]
    # The average of a step has the momentum of the one before.
    expected = [gin.get_configurable("cosine_momentum")()(step) for step in (0, 0, 1, 2)]
    assert momenta == pytest.approx([float(momentum) for momentum in expected])
    for name in NAMES:
        assert list(points[name]) == [1, 2, 3, 4]
        assert all(-1 <= value <= 1 for value in points[name].values())
