import numpy as np
import tensorflow as tf

from brave_tf.models import resnet_3d
from brave_tf.models.resnet_3d import Conv


def randomised(model):
    """Gives the normalisations weights and statistics that change what they are given."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if weight.name.split("/")[-1][:-2] in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        elif "kernel" not in weight.name:
            weight.assign(rng.normal(size=weight.shape))
    return model


def norm(model, name, x):
    layer = model.get_layer(name)
    scaled = (x - layer.moving_mean) / np.sqrt(layer.moving_variance + 1e-5)
    return layer.gamma * scaled + layer.beta


def convolved(model, name, x, strides):
    return tf.nn.conv3d(x, model.get_layer(name).kernel, (1, *strides, 1), "SAME")


def test_a_block_that_changes_size_and_channels():
    clips = tf.keras.Input((None, None, None, 6))
    convs = [Conv(4, (3, 1, 1)), Conv(4, (1, 3, 3), (1, 2, 2)), Conv(10, (1, 1, 1))]
    output = resnet_3d.block(clips, convs, resnet_3d.plain, "block", "block_end")
    model = randomised(tf.keras.Model(clips, output))
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 6, 6)).astype("f4")

    y = x
    for i, conv in enumerate(convs):
        y = norm(model, f"block_norm_{i}", convolved(model, f"block_conv_{i}", y, conv.strides))
        y = np.maximum(y, 0) if i < 2 else y
    shortcut = convolved(model, "block_shortcut", x, (1, 2, 2))
    shortcut = norm(model, "block_shortcut_norm", shortcut)
    np.testing.assert_allclose(model(x), np.maximum(y + shortcut, 0), rtol=1e-4, atol=1e-4)


def test_a_block_that_changes_neither_adds_its_branch_to_the_input():
    clips = tf.keras.Input((None, None, None, 4))
    convs = [Conv(8, (3, 3, 3)), Conv(4, (3, 3, 3))]
    model = tf.keras.Model(clips, resnet_3d.block(clips, convs, resnet_3d.plain, "b", "b_end"))
    x = np.abs(np.random.default_rng(0).normal(size=(1, 3, 4, 5, 4))).astype("f4")
    assert np.abs(model(x) - x).max() > 0.1
    model.get_layer("b_norm_1").gamma.assign(tf.zeros(4))
    np.testing.assert_array_equal(model(x), x)
