import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.audio_light import audio_light
from brave_tf.models.endpoints import endpoint_names, endpoints
from brave_tf.models.tsm_light import tsm_light

NAMES = ["stem", "stage_1", "stage_2", "last_conv", "embedding"]


def test_frames_come_back_as_clips():
    backbone = tsm_light((8, 16), (1, 1))
    assert endpoint_names(backbone) == NAMES
    x = np.random.default_rng(0).random((2, 3, 33, 20, 3)).astype("f4")
    found = endpoints(backbone, NAMES)(x)
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    assert shapes == {
        "stem": (2, 3, 9, 5, 8),
        "stage_1": (2, 3, 9, 5, 8),
        "stage_2": (2, 3, 5, 3, 16),
        "last_conv": (2, 3, 5, 3, 16),
        "embedding": (2, 16),
    }
    np.testing.assert_allclose(found["last_conv"].numpy().mean((1, 2, 3)), backbone(x), rtol=1e-5)
    np.testing.assert_array_equal(found["embedding"], backbone(x))
    # The stem sees one frame at a time: clip 1, frame 2 is at its place.
    frame = endpoints(backbone, ["stem"])(x[1:, 2:])["stem"]
    np.testing.assert_allclose(found["stem"][1, 2], frame[0, 0], atol=1e-6)


def test_spectrograms_stay_images():
    found = endpoints(audio_light((8, 16), (1, 1)), ["stage_2"])(tf.zeros((2, 24, 16)))
    assert tuple(found["stage_2"].shape) == (2, 3, 2, 16)


def test_weights_are_shared():
    backbone = tsm_light((8, 16), (1, 1))
    part = endpoints(backbone, ["stage_1"])
    assert {id(w) for w in part.weights} < {id(w) for w in backbone.weights}


def test_any_layer_can_be_asked_for():
    model = endpoints(tsm_light((8, 16), (1, 1)), ["stage_1_block_1_conv_0"])
    found = model(tf.zeros((2, 3, 16, 16, 3)))
    assert tuple(found["stage_1_block_1_conv_0"].shape) == (2, 3, 4, 4, 8)


def test_a_misspelt_name_lists_the_right_ones():
    backbone = tsm_light((8, 16), (1, 1))
    message = "'stage2' of tsm_light: expected some of stem, stage_1, stage_2, last_conv, embedding"
    with pytest.raises(UserError, match=f"{message}.*Did you mean stage_2"):
        endpoints(backbone, ["stage_1", "stage2"])
    with pytest.raises(UserError, match="empty list"):
        endpoints(backbone, [])
