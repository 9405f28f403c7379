import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.models.avid_audio import avid_audio
from brave_tf.models.endpoints import endpoints

ENDPOINTS = ["stem", "stage_1", "stage_2", "stage_3", "stage_4", "last_conv", "embedding"]


def test_number_of_weights():
    model = avid_audio()
    convolutions = [layer for layer in model.layers if hasattr(layer, "kernel")]
    assert [layer.filters for layer in convolutions] == [64] * 3 + [128] * 2 + [256] * 2 + [512] * 2
    total = 49 * 64 + 9 * (2 * 64**2 + sum(w * (w // 2) + w**2 for w in (128, 256, 512)))
    total += 2 * sum(layer.filters for layer in convolutions)
    assert sum(v.shape.num_elements() for v in model.trainable_variables) == total == 4_725_696
    assert model.output_shape == (None, 512)


def test_sizes_and_maxima():
    model = endpoints(avid_audio(width_multiplier=0.125), ENDPOINTS)
    for shape in [(2, 200, 257), (1, 5, 1)]:
        found = model(np.random.default_rng(0).normal(size=shape).astype("f4"))
        size = [-(-side // 2) for side in shape[1:]]
        assert tuple(found["stem"].shape) == (shape[0], *size, 8)
        for stage, channels in enumerate((8, 16, 32, 64), start=1):
            size = [-(-side // 2) for side in size] if stage < 4 else size
            assert tuple(found[f"stage_{stage}"].shape) == (shape[0], *size, channels)
        largest = np.max(found["last_conv"], axis=(1, 2))
        np.testing.assert_array_equal(found["embedding"], largest)


def test_wrong_input_names_the_expected_shape():
    with pytest.raises(UserError, match=r"expected log-mel \(B, frames, bins\)"):
        avid_audio(width_multiplier=0.125)(np.zeros((2, 4800), "f4"))
