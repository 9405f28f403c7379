import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.clip_layers import ClipMaxPool, conv

KERNELS = [
    ((5, 7, 7), (2, 2, 2)),
    ((1, 7, 7), (1, 2, 2)),
    ((3, 1, 1), (1, 1, 1)),
    ((3, 1, 1), (2, 1, 1)),
    ((1, 3, 3), (1, 2, 2)),
    ((3, 3, 3), (1, 2, 1)),
    ((1, 3, 3), (2, 1, 1)),
    ((1, 1, 1), (1, 1, 1)),
    ((1, 1, 1), (2, 2, 2)),
]
SHAPES = [(2, 1, 1, 1, 3), (1, 2, 5, 4, 3), (2, 7, 9, 8, 3)]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("kernel", "strides"), KERNELS)
def test_convolution_is_that_in_three_dimensions(kernel, strides):
    layer = conv(5, kernel, strides, "conv")
    layer.build((None, None, None, None, 3))
    open_sizes = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, None, 3))])
    for shape in SHAPES:
        x = noise(*shape)
        expected = tf.nn.conv3d(x, layer.kernel, (1, *strides, 1), "SAME")
        assert layer.compute_output_shape(shape) == expected.shape
        np.testing.assert_allclose(layer(x), expected, atol=1e-5)
        np.testing.assert_allclose(open_sizes(x), expected, atol=1e-5)


@pytest.mark.parametrize(("kernel", "strides"), KERNELS)
def test_torch_pads_as_many_zeros_before_as_after(kernel, strides):
    layer = conv(5, kernel, strides, "conv", padding="torch")
    layer.build((None, None, None, None, 3))
    open_sizes = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, None, 3))])
    for shape in SHAPES:
        x = noise(*shape)
        padded = np.pad(x, [(0, 0), *((size // 2, size // 2) for size in kernel), (0, 0)])
        expected = tf.nn.conv3d(padded, layer.kernel, (1, *strides, 1), "VALID")
        assert layer.compute_output_shape(shape) == expected.shape
        np.testing.assert_allclose(layer(x), expected, atol=1e-5)
        np.testing.assert_allclose(open_sizes(x), expected, atol=1e-5)


def test_an_unknown_padding_is_refused():
    with pytest.raises(UserError, match="padding = 'valid': expected one of same, torch"):
        conv(5, (1, 1, 1), (1, 1, 1), "conv", padding="valid")


@pytest.mark.parametrize(("window", "strides"), KERNELS)
def test_pool_is_that_in_three_dimensions(window, strides):
    layer = ClipMaxPool(window, strides)
    for shape in SHAPES:
        x = noise(*shape)
        expected = tf.nn.max_pool3d(x, window, strides, "SAME")
        np.testing.assert_array_equal(layer(x), expected)
        static = layer(tf.keras.Input(shape[1:], batch_size=shape[0]))
        assert static.shape == expected.shape


def test_pool_sends_the_gradient_to_the_largest_value():
    x = tf.constant(np.random.default_rng(0).permutation(2 * 4 * 6 * 6).reshape(1, 4, 6, 6, 2))
    x = tf.cast(x, tf.float32)
    weights = noise(1, 2, 3, 3, 2)
    gradients = []
    for pool in (ClipMaxPool((3, 3, 3), (2, 2, 2)), lambda x: tf.nn.max_pool3d(x, 3, 2, "SAME")):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(pool(x) * weights)
        gradients.append(tape.gradient(loss, x))
    np.testing.assert_allclose(*gradients, atol=1e-6)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
@pytest.mark.parametrize(("kernel", "strides"), [((3, 1, 1), (1, 1, 1)), ((5, 7, 7), (2, 2, 2))])
@pytest.mark.parametrize("frames", [1, 2, 4])
def test_half_precision_gradients_of_clips_shorter_than_the_kernel(dtype, kernel, strides, frames):
    layer = conv(16, kernel, strides, "conv")
    x, values = noise(2, frames, 9, 9, 16), noise(*kernel, 16, 16, seed=1)

    def gradients(dtype):
        clips, weights = tf.cast(x, dtype), tf.cast(values, dtype)
        with tf.GradientTape() as tape:
            tape.watch([clips, weights])
            y = layer.convolution_op(clips, weights)
            loss = tf.reduce_sum(y * y)
        return [tf.cast(g, tf.float32) for g in tape.gradient(loss, [clips, weights])]

    for got, expected in zip(gradients(dtype), gradients(tf.float32)):
        # Some processors add up products in bfloat16, which has 8 bits.
        assert np.abs(got - expected).max() < 0.05 * np.abs(expected).max()
