import cv2
import numpy as np
import pytest
from media import moving_texture

from brave_tf.data.media import flow


def grey(frame):
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


@pytest.mark.parametrize("method", flow.METHODS)
@pytest.mark.parametrize("step", [(2, 1), (-3, 2), (0, -2)])
def test_flow_of_a_moving_texture_is_its_motion(method, step):
    previous, following = (grey(f) for f in moving_texture(2, 96, 128, step))
    displacement = flow.estimator(method)(previous, following)
    assert displacement.shape == (96, 128, 2) and displacement.dtype == np.float32
    # At the edges the texture wraps around.
    inner = displacement[12:-12, 12:-12].reshape(-1, 2)
    np.testing.assert_allclose(np.median(inner, axis=0), step, atol=0.15)


@pytest.mark.parametrize("method", flow.METHODS)
def test_still_and_empty_pictures_have_no_flow(method):
    texture = grey(moving_texture(1)[0])
    black = np.zeros_like(texture)
    for picture in (texture, black):
        displacement = flow.estimator(method)(picture, picture)
        np.testing.assert_allclose(displacement, 0, atol=1e-2)


def test_unknown_method():
    with pytest.raises(ValueError, match="unknown flow method 'farneback'"):
        flow.estimator("farneback")


@pytest.mark.parametrize("bound", [20.0, 7.5])
def test_quantize_is_the_documented_formula(bound):
    values = np.linspace(-1.5 * bound, 1.5 * bound, 2 * 401, dtype=np.float32).reshape(-1, 1, 2)
    image = flow.quantize(values, bound)
    assert image.shape == (401, 1, 3) and image.dtype == np.uint8
    for (u, v), (red, green, blue) in zip(values[:, 0].astype(float), image[:, 0]):
        for displacement, stored in ((u, red), (v, green)):
            clipped = min(max(displacement, -bound), bound)
            assert abs((clipped + bound) * 255 / (2 * bound) - stored) <= 0.5 + 1e-4
        assert blue == 128


@pytest.mark.parametrize("bound", [20.0, 7.5])
def test_dequantize_is_off_by_half_a_step_at_most(bound):
    rng = np.random.default_rng(0)
    values = rng.uniform(-bound, bound, (40, 50, 2)).astype(np.float32)
    stored = flow.dequantize(flow.quantize(values, bound), bound)
    assert stored.dtype == np.float32
    assert np.abs(stored - values).max() <= bound / 255 + 1e-5
    beyond = flow.dequantize(flow.quantize(3 * values, bound), bound)
    np.testing.assert_allclose(beyond, np.clip(3 * values, -bound, bound), atol=bound / 255 + 1e-5)


def test_quantize_leaves_its_input_alone():
    values = np.full((4, 4, 2), 3.0, np.float32)
    flow.quantize(values, 20.0)
    np.testing.assert_array_equal(values, 3.0)
