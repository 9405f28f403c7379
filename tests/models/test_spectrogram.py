import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.spectrogram import BandAverages

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("bins", "bands"), [(8, 4), (4, 4), (12, 1), (10, 4), (7, 3), (2, 5)])
def test_is_the_average_of_bins_cut_into_equal_parts(bins, bands):
    x = RNG.random((2, 6, bins, 3), np.float32)
    # Each bin repeated as often as there are bands: then bands are whole numbers of pieces.
    pieces = np.repeat(x, bands, axis=2).reshape(2, 6, bands, bins, 3)
    expected = pieces.mean(axis=(1, 3)).reshape(2, bands * 3)
    np.testing.assert_allclose(BandAverages(bands)(x), expected, rtol=1e-5)


def test_reads_any_number_of_bins_in_a_graph():
    layer = BandAverages(3)
    embed = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 2))])
    for bins in (3, 5, 16):
        x = RNG.random((1, 4, bins, 2), np.float32)
        np.testing.assert_allclose(embed(x), layer(x), rtol=1e-6)


def test_is_saved_and_loaded(tmp_path):
    image = tf.keras.Input((None, None, 2))
    model = tf.keras.Model(image, BandAverages(3)(image))
    model.save(tmp_path / "model.keras")
    x = RNG.random((1, 4, 7, 2), np.float32)
    np.testing.assert_array_equal(tf.keras.models.load_model(tmp_path / "model.keras")(x), model(x))


def test_gives_the_precision_that_it_is_asked_for():
    layer = BandAverages(2, dtype="float32")
    assert layer(tf.zeros((1, 3, 4, 1), tf.bfloat16)).dtype == tf.float32


@pytest.mark.parametrize("bands", [0, -1])
def test_refuses_no_bands(bands):
    with pytest.raises(UserError, match=f"bands = {bands}"):
        BandAverages(bands)
