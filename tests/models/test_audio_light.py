import numpy as np
import pytest
import tensorflow as tf

from brave_tf.models.audio_light import audio_light


def test_default_size():
    model = audio_light()
    assert model.output_shape == (None, 128)
    assert 200_000 < model.count_params() < 500_000


@pytest.mark.parametrize("shape", [(2, 128, 64), (3, 1, 40), (1, 7, 13)])
def test_any_number_of_frames(shape):
    features = audio_light()(np.random.default_rng(0).random(shape, np.float32))
    assert features.shape == (shape[0], 128)
    assert np.all(np.isfinite(features))


def test_endpoints():
    model = audio_light(widths=(16, 32), blocks=(1, 2))
    x = tf.keras.Input((64, 40), batch_size=2)
    names = ["stem", "stage_1", "stage_2", "last_conv", "embedding"]
    outputs = tf.keras.Model(model.input, [model.get_layer(n).output for n in names])(x)
    sizes = [(2, 16, 10, 16), (2, 16, 10, 16), (2, 8, 5, 32), (2, 8, 5, 32), (2, 32)]
    assert [tuple(y.shape) for y in outputs] == sizes


def test_features_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    assert audio_light()(tf.zeros((2, 20, 40))).dtype == tf.float32


def test_every_weight_learns():
    model = audio_light()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.random.uniform((4, 32, 40)), training=True) ** 2)
    assert all(float(tf.norm(g)) > 0 for g in tape.gradient(loss, model.trainable_variables))
