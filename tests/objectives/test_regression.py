"""The regression loss against plain numpy and the reference values."""

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.objectives.regression import regression_loss


def numpy_loss(x, y, epsilon=1e-5):
    x = x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), epsilon)
    y = y / np.maximum(np.linalg.norm(y, axis=-1, keepdims=True), epsilon)
    return np.sum((x - y) ** 2, axis=-1)


def test_equals_numpy_and_is_scale_free():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6, 5)).astype(np.float32)
    np.testing.assert_allclose(regression_loss(x, y), numpy_loss(x, y), rtol=1e-5)
    np.testing.assert_allclose(regression_loss(7 * x, 0.1 * y), numpy_loss(x, y), rtol=1e-5)


def test_closed_forms():
    x = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(regression_loss(x, 2 * x), [0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(regression_loss(x, -x), [4, 4, 4], rtol=1e-6)
    np.testing.assert_allclose(regression_loss(x, np.roll(x, 1, axis=0)), [2, 2, 2], rtol=1e-6)


def test_no_gradient_into_the_target():
    x, y = tf.Variable([[1.0, 2.0]]), tf.Variable([[3.0, -1.0]])
    with tf.GradientTape() as tape:
        loss = regression_loss(x, y)
    dx, dy = tape.gradient(loss, [x, y])
    assert dy is None
    assert float(tf.norm(dx)) > 0.1


def test_shapes_must_agree():
    with pytest.raises(tf.errors.InvalidArgumentError):
        regression_loss(tf.zeros((2, 3)), tf.zeros((2, 4)))


@pytest.mark.parametrize(
    "case",
    ["plain", "same", "opposite", "zero_rows", "zero_both", "all_zero_x", "tiny", "epsilon_1e-1"],
)
def test_reference_values(golden_dir, case):
    golden = np.load(golden_dir / "ops.npz")
    x = tf.constant(golden[f"regression_loss/{case}/x"])
    y = golden[f"regression_loss/{case}/y"]
    with tf.GradientTape() as tape:
        tape.watch(x)
        # The reference takes half the squared distance and the mean over clips.
        epsilon = 0.1 if case == "epsilon_1e-1" else 1e-5
        loss = 0.5 * tf.reduce_mean(regression_loss(x, y, epsilon))
    np.testing.assert_allclose(loss, golden[f"regression_loss/{case}/loss"], rtol=1e-5, atol=1e-6)
    expected = golden[f"regression_loss/{case}/grad_x"]
    scale = max(np.abs(expected).max(), 1e-2)
    np.testing.assert_allclose(tape.gradient(loss, x) / scale, expected / scale, atol=1e-4)
