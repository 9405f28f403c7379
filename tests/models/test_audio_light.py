import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
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


def test_bands_keep_how_high_a_sound_is():
    model = audio_light(widths=(8, 16), blocks=(1, 1), bands=4)
    assert model.output_shape == (None, 64)
    low = np.zeros((1, 64, 64), np.float32)
    low[:, :, 8:12] = 1
    high = np.roll(low, 32, axis=2)
    silent, low, high = model(np.concatenate([0 * low, low, high])).numpy().reshape(3, 4, 16)
    assert np.abs(low - silent)[:2].max() > 10 * np.abs(low - silent)[3].max()
    assert np.abs(high - silent)[2:].max() > 10 * np.abs(high - silent)[0].max()


def test_bands_average_to_the_features_of_one():
    one, four = (audio_light(widths=(8, 16), blocks=(1, 1), bands=bands) for bands in (1, 4))
    four.set_weights(one.get_weights())
    x = np.random.default_rng(0).random((2, 48, 40), np.float32)
    np.testing.assert_allclose(four(x).numpy().reshape(2, 4, 16).mean(axis=1), one(x), atol=1e-5)


def test_refuses_no_bands():
    with pytest.raises(UserError, match="bands = 0"):
        audio_light(bands=0)
