import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models import resnet_v2


def test_layouts():
    assert resnet_v2.layout(18).widths == (64, 128, 256, 512)
    assert resnet_v2.layout(101, width_multiplier=2).widths == (512, 1024, 2048, 4096)
    assert resnet_v2.layout(101).blocks == (3, 4, 23, 3)
    with pytest.raises(UserError, match="depth = 51: expected one of 18, 34, 50, 101, 152, 200"):
        resnet_v2.layout(51)


@pytest.mark.parametrize(("blocks", "widths"), [((1, 1), (16,)), ((0, 1), (16, 32)), ((), ())])
def test_unusable_layouts_are_refused(blocks, widths):
    with pytest.raises(UserError, match="one positive width for each stage"):
        resnet_v2.Layout.basic(blocks, widths)


def test_convolutions_start_he_normal():
    tf.keras.utils.set_random_seed(0)
    layer = resnet_v2.conv(256, 3, 1, name="conv")
    layer.build((None, None, None, 32))
    kernel = layer.kernel.numpy()
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 32)), rel=0.02)
    assert np.abs(kernel).max() <= 2.01 * np.sqrt(2 / (9 * 32)) / 0.87962566


def test_basic_block_without_projection_adds_its_branch_to_the_input():
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 4)).astype("f4")
    inputs = tf.keras.Input((None, None, 4))
    outputs = resnet_v2.block(
        inputs,
        4,
        stride=1,
        bottleneck=False,
        project=False,
        shift=None,
        name="block",
        output_name="sum",
    )
    model = tf.keras.Model(inputs, outputs)
    assert np.abs(model(x) - x).max() > 0.1
    model.get_layer("block_conv_1").kernel.assign(tf.zeros((3, 3, 4, 4)))
    np.testing.assert_array_equal(model(x), x)
