import numpy as np
import pytest
import tensorflow as tf

from brave_tf.models import resnet_v2
from brave_tf.models.point_conv import StridedPointConv, every_nth

SHAPES = [(2, 8, 6, 16), (3, 7, 5, 16), (1, 1, 1, 16), (2, 1, 4, 16)]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def gradients(layer, x, dtype):
    x, kernel = tf.cast(x, dtype), tf.cast(layer.kernel, dtype)
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        y = layer.convolution_op(x, kernel)
        loss = tf.reduce_sum(y * y)
    return [tf.cast(gradient, tf.float32).numpy() for gradient in tape.gradient(loss, [x, kernel])]


@pytest.fixture
def layer():
    tf.keras.utils.set_random_seed(0)
    layer = resnet_v2.conv(24, 1, 2, name="shortcut")
    layer.build((None, None, None, 16))
    return layer


@pytest.mark.parametrize("strides", [(2, 2), (1, 2), (3, 1), (1, 1)])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_nth_starts_with_the_first(shape, strides):
    x = noise(*shape)
    np.testing.assert_array_equal(
        every_nth(tf.constant(x), strides), x[:, :: strides[0], :: strides[1]]
    )


def test_only_point_convolutions_with_a_stride_are_special(layer):
    assert type(layer) is StridedPointConv
    for kernel, stride in ((1, 1), (3, 2)):
        assert type(resnet_v2.conv(4, kernel, stride, name="conv")) is tf.keras.layers.Conv2D


@pytest.mark.parametrize("shape", SHAPES)
def test_values_are_products_of_single_pixels(layer, shape):
    x = noise(*shape)
    expected = np.einsum("nhwc,cd->nhwd", x[:, ::2, ::2], layer.kernel.numpy()[0, 0])
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    open_sizes = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 16))])
    np.testing.assert_allclose(open_sizes(x), expected, atol=1e-5)
    assert layer.compute_output_shape(shape) == expected.shape


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(layer, shape, dtype):
    x, kernel = noise(*shape), layer.kernel.numpy()[0, 0]
    seen = x[:, ::2, ::2]
    y = np.einsum("nhwc,cd->nhwd", seen, kernel)
    of_x = np.zeros_like(x)
    of_x[:, ::2, ::2] = np.einsum("nhwd,cd->nhwc", 2 * y, kernel)
    of_kernel = np.einsum("nhwd,nhwc->cd", 2 * y, seen)
    tolerance = 1e-5 if dtype == tf.float32 else 0.02
    for got, expected in zip(gradients(layer, x, dtype), (of_x, of_kernel[None, None])):
        assert np.abs(got - expected).max() < tolerance * np.abs(expected).max()
