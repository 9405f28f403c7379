import numpy as np
import pytest

from brave_tf.models.endpoints import endpoints
from brave_tf.models.r2plus1d import middle_planes, r2plus1d

ENDPOINTS = ["stem", "stage_1", "stage_2", "stage_3", "stage_4", "last_conv", "embedding"]


def pair(inputs, outputs):
    """Weights of a factorised 3x3x3 convolution with both normalisations."""
    middle = (27 * inputs * outputs) // (9 * inputs + 3 * outputs)
    return 9 * inputs * middle + 2 * middle + 3 * middle * outputs + 2 * outputs


def weights_by_formula(blocks, bottleneck):
    total, inputs = 49 * 3 * 45 + 2 * 45 + 3 * 45 * 64 + 2 * 64, 64
    for stage, repeats in enumerate(blocks):
        width = 64 * 2**stage
        outputs = 4 * width if bottleneck else width
        for block in range(repeats):
            if bottleneck:
                total += inputs * width + 2 * width + pair(width, width)
                total += width * outputs + 2 * outputs
            else:
                total += pair(inputs, outputs) + pair(outputs, outputs)
            if block == 0 and inputs != outputs:
                total += inputs * outputs + 2 * outputs
            inputs = outputs
    return total


@pytest.mark.parametrize(
    ("depth", "blocks", "weights"),
    [(18, (2, 2, 2, 2), 33_165_639), (50, (3, 4, 6, 3), 46_165_457)],
)
def test_number_of_weights(depth, blocks, weights):
    model = r2plus1d(depth)
    found = sum(v.shape.num_elements() for v in model.trainable_variables)
    assert found == weights == weights_by_formula(blocks, depth == 50)
    if depth == 50:
        logits = 400
        assert found + (model.output_shape[1] + 1) * logits == 46_985_057


def test_middle_planes_keep_the_number_of_weights():
    for inputs, outputs, planes in [(64, 64, 144), (64, 128, 230), (512, 512, 1152)]:
        assert middle_planes(inputs, outputs) == planes
        factorised = planes * (9 * inputs + 3 * outputs)
        assert 0 <= 27 * inputs * outputs - factorised < 9 * inputs + 3 * outputs


@pytest.mark.parametrize(("depth", "widths"), [(18, (8, 16, 32, 64)), (50, (32, 64, 128, 256))])
def test_time_and_space_are_halved_by_three_stages(depth, widths):
    model = endpoints(r2plus1d(depth, width_multiplier=0.125), ENDPOINTS)
    for shape in [(2, 16, 32, 48, 3), (1, 7, 19, 33, 3), (1, 1, 3, 3, 3)]:
        sizes = {name: tuple(x.shape) for name, x in model(np.zeros(shape, "f4")).items()}
        size = [shape[1], *(-(-side // 2) for side in shape[2:4])]
        assert sizes["stem"] == (shape[0], *size, 8)
        for stage, channels in enumerate(widths, start=1):
            size = [-(-side // 2) for side in size] if stage > 1 else size
            assert sizes[f"stage_{stage}"] == (shape[0], *size, channels)
        assert sizes["last_conv"] == sizes["stage_4"]
        assert sizes["embedding"] == (shape[0], widths[-1])


def test_a_single_frame_has_no_time_to_be_convolved():
    """With the temporal kernels' outer weights gone, frames are seen one by one in stage 1."""
    model = r2plus1d(width_multiplier=0.125)
    for layer in model.layers:
        if layer.name.endswith("_time"):
            kernel = layer.kernel.numpy()
            assert kernel.shape[:3] == (3, 1, 1)
            kernel[[0, 2]] = 0
            layer.kernel.assign(kernel)
    stage = endpoints(model, ["stage_1"])
    x = np.random.default_rng(0).random((1, 5, 16, 16, 3)).astype("f4")
    frames = [stage(x[:, t : t + 1])["stage_1"] for t in range(5)]
    np.testing.assert_allclose(stage(x)["stage_1"], np.concatenate(frames, 1), atol=1e-4)
