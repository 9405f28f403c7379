import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.audio_resnet_v1 import audio_resnet_v1
from brave_tf.models.endpoints import endpoints

ENDPOINTS = ["stem", "stage_1", "stage_2", "stage_3", "stage_4", "last_conv", "embedding"]


def weights_by_formula(blocks):
    total, inputs = 49 * 64 + 2 * 64, 64
    for width, repeats in zip((64, 128, 256, 512), blocks):
        for _ in range(repeats):
            total += 9 * inputs * width + 9 * width**2 + 2 * 2 * width
            total += inputs * width + 2 * width if inputs != width else 0
            inputs = width
    return total


@pytest.mark.parametrize(
    ("depth", "blocks", "weights"),
    [(9, (1, 1, 1, 1), 4_899_520), (18, (2, 2, 2, 2), 11_170_240)],
)
def test_number_of_weights(depth, blocks, weights):
    model = audio_resnet_v1(depth)
    found = sum(v.shape.num_elements() for v in model.trainable_variables)
    assert found == weights == weights_by_formula(blocks)
    assert model.output_shape == (None, 512)


def test_sizes():
    model = endpoints(audio_resnet_v1(width_multiplier=0.125), ENDPOINTS)
    for shape in [(2, 99, 40), (1, 5, 1)]:
        found = model(np.zeros(shape, "f4"))
        size = [-(-side // 4) for side in shape[1:]]
        assert tuple(found["stem"].shape) == (shape[0], *size, 8)
        for stage, channels in enumerate((8, 16, 32, 64), start=1):
            size = [-(-side // 2) for side in size] if stage > 1 else size
            assert tuple(found[f"stage_{stage}"].shape) == (shape[0], *size, channels)


def test_a_block_by_its_definition():
    model = audio_resnet_v1(width_multiplier=0.125)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "kernel" not in weight.name:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    found = endpoints(model, ["stage_2", "stage_3", "last_conv", "embedding"])(
        rng.normal(size=(2, 60, 40)).astype("f4")
    )

    def conv(x, name, stride):
        return tf.nn.conv2d(x, model.get_layer(f"stage_3_block_1_{name}").kernel, stride, "SAME")

    def norm(x, name):
        gamma, beta, mean, variance = model.get_layer(f"stage_3_block_1_{name}").get_weights()
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    x = found["stage_2"]
    y = np.maximum(norm(conv(x, "conv_0", 2), "norm_0"), 0)
    y = norm(conv(y, "conv_1", 1), "norm_1") + norm(conv(x, "shortcut", 2), "shortcut_norm")
    np.testing.assert_allclose(found["stage_3"], np.maximum(y, 0), rtol=1e-4, atol=1e-4)
    mean = np.mean(found["last_conv"], axis=(1, 2))
    np.testing.assert_allclose(found["embedding"], mean, rtol=1e-5)


def test_an_unknown_depth_is_refused():
    with pytest.raises(UserError, match="audio_resnet_v1.depth = 50: expected one of 9, 18, 34"):
        audio_resnet_v1(50)
