import numpy as np
import pytest
import tensorflow as tf

from brave_tf.models.avid_video import avid_video
from brave_tf.models.endpoints import endpoints

ENDPOINTS = ["stem", "stage_1", "stage_2", "stage_3", "stage_4", "last_conv", "embedding"]


@pytest.fixture(scope="module")
def small():
    return avid_video(width_multiplier=0.125)


def test_number_of_weights():
    """By the table of layers: four convolutions in a block, and as many normalisations."""
    total, inputs = 3 * 7 * 7 * 3 * 64 + 2 * 64, 64
    for width in (64, 128, 256, 512):
        for _ in range(2):
            total += 9 * inputs * width + 3 * width**2 + 9 * width**2 + 3 * width**2 + 4 * 2 * width
            total += inputs * width if inputs != width else 0
            inputs = width
    model = avid_video()
    assert sum(v.shape.num_elements() for v in model.trainable_variables) == total == 15_379_136
    assert model.output_shape == (None, 512)


def test_time_and_space_are_halved_by_three_stages(small):
    model = endpoints(small, ENDPOINTS)
    for shape in [(2, 8, 64, 96, 3), (1, 3, 33, 65, 3)]:
        sizes = {name: tuple(x.shape) for name, x in model(np.zeros(shape, "f4")).items()}
        size = [shape[1], *(-(-side // 4) for side in shape[2:4])]
        assert sizes["stem"] == (shape[0], *size, 8)
        for stage, channels in enumerate((8, 16, 32, 64), start=1):
            size = [-(-side // 2) for side in size] if stage > 1 else size
            assert sizes[f"stage_{stage}"] == (shape[0], *size, channels)
        assert sizes["last_conv"] == (shape[0], *size, 64)
        assert sizes["embedding"] == (shape[0], 64)


def test_a_block_by_its_definition(small):
    """The norm and relu of a sum come after it, and the shortcut has no norm of its own."""
    rng = np.random.default_rng(0)
    for weight in small.weights:
        if "kernel" not in weight.name:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    found = endpoints(small, ["stage_2", "stage_3_block_1", "last_conv", "embedding"])(
        rng.normal(size=(2, 5, 40, 48, 3)).astype("f4")
    )

    def conv(x, name, strides):
        kernel = small.get_layer(f"stage_3_block_1_{name}").kernel
        return tf.nn.conv3d(x, kernel, (1, *strides, 1), "SAME")

    def norm_relu(x, name):
        gamma, beta, mean, variance = small.get_layer(f"stage_3_block_1_{name}").get_weights()
        return np.maximum((x - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)

    x = found["stage_2"]
    y = norm_relu(conv(x, "conv_0_space", (1, 2, 2)), "conv_0_space_norm")
    y = norm_relu(conv(y, "conv_0_time", (2, 1, 1)), "norm")
    y = norm_relu(conv(y, "conv_1_space", (1, 1, 1)), "conv_1_space_norm")
    y = conv(y, "conv_1_time", (1, 1, 1))
    y = norm_relu(conv(x, "shortcut", (2, 2, 2)) + y, "sum_norm")
    np.testing.assert_allclose(found["stage_3_block_1"], y, rtol=1e-4, atol=1e-4)
    largest = np.max(found["last_conv"], axis=(1, 2, 3))
    np.testing.assert_array_equal(found["embedding"], largest)
