import numpy as np
import pytest
import tensorflow as tf

from brave_tf.models.endpoints import endpoints
from brave_tf.models.s3d import gate, s3d

# 1x1; reduce, 3x3; reduce, 3x3; after the pool: Inception-v1's table.
MIXED = [
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
]


def unit(inputs, outputs, kernel=1):
    return inputs * outputs * kernel + 2 * outputs


def separable(inputs, outputs, size=3):
    return unit(inputs, outputs, size**2) + unit(outputs, outputs, size)


def weights_by_formula(gating):
    total = separable(3, 64, 7) + unit(64, 64) + separable(64, 192)
    inputs = 192
    for a, b_in, b, c_in, c, d in MIXED:
        total += unit(inputs, a) + unit(inputs, b_in) + unit(inputs, c_in) + unit(inputs, d)
        total += separable(b_in, b) + separable(c_in, c)
        total += sum(n * n + n for n in (a, b, c, d)) if gating else 0
        inputs = a + b + c + d
    return total


@pytest.fixture(scope="module")
def small():
    return s3d(width_multiplier=0.125)


@pytest.mark.parametrize(("gating", "weights"), [(True, 9_098_000), (False, 7_910_048)])
def test_number_of_weights(gating, weights):
    model = s3d(gating)
    found = sum(v.shape.num_elements() for v in model.trainable_variables)
    assert found == weights == weights_by_formula(gating)
    assert model.output_shape == (None, 1024)


def test_endpoints_of_any_size(small):
    names = ["stem", "stage_1", "stage_2", "stage_3", "stage_4", "last_conv", "embedding"]
    model = endpoints(small, names)
    for shape in [(1, 16, 64, 96, 3), (2, 5, 33, 47, 3), (1, 1, 1, 1, 3)]:
        sizes = {name: tuple(x.shape) for name, x in model(np.zeros(shape, "f4")).items()}
        batch, length, height, width, _ = shape

        def size(time, space, length=length, height=height, width=width):
            return (-(-length // time), -(-height // space), -(-width // space))

        assert sizes["stem"] == (batch, *size(2, 4), 8)
        assert sizes["stage_1"] == (batch, *size(2, 4), 24)
        assert sizes["stage_2"] == (batch, *size(2, 8), 60)
        assert sizes["stage_3"] == (batch, *size(4, 16), 104)
        assert sizes["stage_4"] == sizes["last_conv"] == (batch, *size(8, 32), 128)
        assert sizes["embedding"] == (batch, 128)


def test_gate_scales_channels_by_a_sigmoid_of_their_mean():
    clips = tf.keras.Input((None, None, None, 6))
    model = tf.keras.Model(clips, gate(clips, "gate"))
    kernel, bias = model.get_layer("gate_weight").weights
    bias.assign(np.linspace(-2, 2, 6))
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6)).astype("f4")
    weight = 1 / (1 + np.exp(-(x.mean((1, 2, 3)) @ kernel.numpy() + bias.numpy())))
    np.testing.assert_allclose(model(x), x * weight[:, None, None, None], atol=1e-5)


def test_gates_do_not_overflow_in_float16():
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    clips = tf.keras.Input((None, None, None, 2))
    model = tf.keras.Model(clips, gate(clips, "gate"))
    assert np.all(np.isfinite(model(np.full((1, 4, 64, 64, 2), 8.0, "f4"))))


def test_frames_are_seen_in_order(small):
    x = np.random.default_rng(0).random((1, 8, 32, 32, 3)).astype("f4")
    features = small(x).numpy()
    assert np.abs(small(x[:, ::-1]) - features).max() > 1e-3 * np.abs(features).max()
