import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.endpoints import endpoints
from brave_tf.models.r3d import r3d

ENDPOINTS = ["stem", "stage_1", "stage_2", "stage_3", "stage_4", "last_conv", "embedding"]


def weights_by_formula(channels):
    """Weights of depth 50, from the table of layers."""
    total, inputs = 5 * 7 * 7 * channels * 64 + 2 * 64, 64
    for width, blocks, time in ((64, 3, 1), (128, 4, 1), (256, 6, 3), (512, 3, 3)):
        for block in range(blocks):
            total += time * inputs * width + 9 * width**2 + width * 4 * width + 2 * 6 * width
            total += inputs * 4 * width + 2 * 4 * width if block == 0 else 0
            inputs = 4 * width
    return total


@pytest.fixture(scope="module")
def small():
    return r3d(width_multiplier=0.125)


def test_number_of_weights():
    model = r3d()
    found = sum(v.shape.num_elements() for v in model.trainable_variables)
    assert found == 31_672_128 == weights_by_formula(channels=3)
    assert model.count_params() - found == 53_120  # moving means and variances
    assert model.output_shape == (None, 2048)


def test_only_the_stem_reduces_time(small):
    model = endpoints(small, ENDPOINTS)
    for shape, length in [((2, 16, 64, 96, 3), 8), ((1, 7, 33, 65, 3), 4), ((1, 1, 5, 3, 3), 1)]:
        sizes = {name: tuple(x.shape) for name, x in model(np.zeros(shape, "f4")).items()}
        side = [-(-size // 4) for size in shape[2:4]]
        assert sizes["stem"] == (shape[0], length, *side, 8)
        for stage, channels in enumerate((32, 64, 128, 256), start=1):
            assert sizes[f"stage_{stage}"] == (shape[0], length, *side, channels)
            side = [-(-size // 2) for size in side] if stage < 4 else side
        assert sizes["last_conv"] == (shape[0], length, *side, 256)
        assert sizes["embedding"] == (shape[0], 256)


def test_each_frame_reaches_as_far_as_the_kernels(small):
    names = ["stem", "stage_2", "stage_3"]
    x = np.random.default_rng(0).random((1, 64, 8, 8, 3)).astype("f4")
    changed = x.copy()
    changed[:, 31] += 1.0
    before, after = (endpoints(small, names)(values) for values in (x, changed))
    reached = {
        name: np.flatnonzero(np.abs(after[name] - before[name]).max((0, 2, 3, 4)) > 0)
        for name in names
    }
    # A stem of 5 frames and stride 2 reads frames 2t - 1 to 2t + 3.
    assert list(reached["stem"]) == [14, 15, 16]
    assert list(reached["stage_2"]) == [14, 15, 16]
    # Six blocks with a kernel of 3 frames each; relus may hide the ends.
    assert 8 <= reached["stage_3"].min() < 14
    assert 16 < reached["stage_3"].max() <= 22


def test_unusable_arguments_are_refused(small):
    with pytest.raises(UserError, match="r3d.depth = 18: expected 50"):
        r3d(depth=18)
    with pytest.raises(UserError, match="width_multiplier = 0"):
        r3d(width_multiplier=0)
    with pytest.raises(ValueError, match="expected min_ndim=5, found ndim=4"):
        small(tf.zeros((2, 32, 32, 3)))
