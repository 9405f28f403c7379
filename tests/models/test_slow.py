import gin
import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.models.endpoints import endpoints
from brave_tf.models.slow import slow

ENDPOINTS = ["stem", "stage_1", "stage_2", "stage_3", "stage_4", "last_conv", "embedding"]


@pytest.fixture(scope="module")
def small():
    return slow(width_multiplier=0.125)


def weights_by_formula():
    """Weights of depth 50, from the table of layers."""
    total, inputs = 7 * 7 * 3 * 64 + 2 * 64, 64
    for width, blocks, time in ((64, 3, 1), (128, 4, 1), (256, 6, 3), (512, 3, 3)):
        for block in range(blocks):
            total += time * inputs * width + 9 * width**2 + width * 4 * width + 2 * 6 * width
            total += inputs * 4 * width + 2 * 4 * width if block == 0 else 0
            inputs = 4 * width
    return total


def test_number_of_weights():
    model = slow()
    found = sum(v.shape.num_elements() for v in model.trainable_variables)
    assert found == 31_634_496 == weights_by_formula()
    assert model.output_shape == (None, 2048)


def test_nothing_reduces_time(small):
    model = endpoints(small, ENDPOINTS)
    for shape in [(2, 8, 64, 96, 3), (1, 3, 33, 65, 3)]:
        sizes = {name: tuple(x.shape) for name, x in model(np.zeros(shape, "f4")).items()}
        batch, length = shape[:2]
        side = [-(-size // 4) for size in shape[2:4]]
        assert sizes["stem"] == (batch, length, *side, 8)
        for stage, channels in enumerate((32, 64, 128, 256), start=1):
            assert sizes[f"stage_{stage}"] == (batch, length, *side, channels)
            side = [-(-size // 2) for size in side] if stage < 4 else side
        assert sizes["last_conv"] == (batch, length, *side, 256)
        assert sizes["embedding"] == (batch, 256)


def test_frames_meet_in_the_third_stage_only(small):
    names = ["stem", "stage_2", "stage_3"]
    x = np.random.default_rng(0).random((1, 32, 8, 8, 3)).astype("f4")
    changed = x.copy()
    changed[:, 15] += 1.0
    before, after = (endpoints(small, names)(values) for values in (x, changed))
    reached = {
        name: np.flatnonzero(np.abs(after[name] - before[name]).max((0, 2, 3, 4)) > 0)
        for name in names
    }
    assert list(reached["stem"]) == list(reached["stage_2"]) == [15]
    # Six blocks with a kernel of 3 frames each; relus may hide the ends.
    assert 9 <= reached["stage_3"].min() < 15 < reached["stage_3"].max() <= 21


def test_a_recipe_can_name_it():
    gin.parse_config("""
        import brave_tf.models.slow
        slow.width_multiplier = 0.0625
        narrow/slow.channels = 2
    """)
    with gin.config_scope("narrow"):
        model = slow()
    assert model.input_shape == (None, None, None, None, 2)
    assert model.output_shape == (None, 128)


def test_unusable_arguments_are_refused():
    with pytest.raises(UserError, match="slow.depth = 18: expected 50"):
        slow(depth=18)
