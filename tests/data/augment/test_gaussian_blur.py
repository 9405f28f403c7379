import numpy as np
import peer_values
import pytest
import reference
import tensorflow as tf

from brave_tf.data.augment.gaussian_blur import apply_blur, gaussian_blur
from brave_tf.errors import UserError

pytestmark = pytest.mark.usefixtures("either_way")


def numpy_blur(video, sigma, kernel_size):
    radius = kernel_size // 2
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    for axis in (1, 2):
        video = np.apply_along_axis(np.convolve, axis, video, taps, mode="same")
    return video


@pytest.mark.parametrize("sigma, kernel_size", [(0.5, 3), (1.7, 7), (2.0, 4)])
def test_apply_blur_matches_numpy(sigma, kernel_size):
    video = np.random.default_rng(0).random((2, 12, 15, 2), np.float32)
    got = apply_blur(tf.constant(video), sigma, kernel_size)
    np.testing.assert_allclose(got, numpy_blur(video, sigma, kernel_size), atol=1e-5)


def test_long_videos_too():
    video = np.random.default_rng(0).random((32, 9, 10, 2), np.float32)
    got = apply_blur(tf.constant(video), 1.2, 5)
    np.testing.assert_allclose(got, numpy_blur(video, 1.2, 5), atol=1e-5)


@pytest.mark.parametrize("number", range(5))
def test_apply_blur_matches_the_reference(golden_dir, number):
    arrays, cases = reference.values(golden_dir, "ops")
    case = cases[f"gaussian_blur/{number}"]
    image = arrays[f"gaussian_blur/{number}/input"]
    got = apply_blur(tf.constant(image)[tf.newaxis], case["sigma"], case["kernel_size"])[0]
    np.testing.assert_allclose(got, arrays[f"gaussian_blur/{number}/output"], atol=1e-5)


def test_kernel_is_a_tenth_of_the_width_and_sigma_is_drawn_once():
    impulse = np.zeros((2, 41, 41, 1), np.float32)
    impulse[:, 20, 20] = 1
    sigmas = []
    for i in range(50):
        got = gaussian_blur(tf.constant(impulse), (i, 0)).numpy()
        np.testing.assert_array_equal(got[0], got[1])
        row = got[0, 20, :, 0]
        assert np.flatnonzero(row > 1e-20).max() - 20 <= 2
        sigmas.append(np.sqrt(-1 / (2 * np.log(row[21] / row[20]))) if row[21] > 0 else 0)
    assert min(sigmas) < 0.4 and 1.8 < max(sigmas) <= 2.001


def test_small_frames_are_left_alone():
    video = tf.random.stateless_uniform((1, 16, 16, 3), (1, 2))
    np.testing.assert_array_equal(gaussian_blur(video, (1, 2)), video)


@pytest.mark.parametrize("sigma", [0.1, 0.4, 0.9, 2.0, 7.0])
def test_taps_that_are_left_out_are_not_missed(sigma):
    video = np.random.default_rng(0).random((3, 31, 33, 3), np.float32)
    got = apply_blur(tf.constant(video), sigma, 23)
    np.testing.assert_allclose(got, numpy_blur(video, sigma, 23), atol=2e-6)


@pytest.mark.parametrize(
    "shape", [(2, 3, 40, 3), (3, 40, 2, 3), (1, 1, 1, 1), (2, 17, 9, 2), (40, 30, 31, 3)]
)
def test_frames_smaller_than_the_kernel_and_of_odd_sizes(shape):
    video = np.random.default_rng(0).random(shape, np.float32)
    taps = np.exp(-(np.arange(-6, 7) ** 2) / (2 * 1.7**2))
    taps /= taps.sum()
    padded = np.pad(video, [(0, 0), (6, 6), (6, 6), (0, 0)])
    rows = sum(tap * padded[:, i : i + shape[1]] for i, tap in enumerate(taps))
    expected = sum(tap * rows[:, :, i : i + shape[2]] for i, tap in enumerate(taps))
    np.testing.assert_allclose(apply_blur(tf.constant(video), 1.7, 13), expected, atol=1e-6)


@pytest.mark.parametrize("sigma, kernel_size", [(0.5, 3), (1.7, 9)])
def test_frames_can_go_on_with_their_edges(sigma, kernel_size):
    video = np.random.default_rng(0).random((2, 12, 15, 3), np.float32)
    radius = kernel_size // 2
    padded = np.pad(video, ((0, 0), (radius, radius), (radius, radius), (0, 0)), mode="edge")
    inside = slice(radius, -radius)
    expected = numpy_blur(padded, sigma, kernel_size)[:, inside, inside]
    got = apply_blur(tf.constant(video), sigma, kernel_size, "edge")
    np.testing.assert_allclose(got, expected, atol=1e-5)
    plain = tf.fill((1, 40, 40, 3), 0.5)
    np.testing.assert_allclose(gaussian_blur(plain, (1, 2), border="edge"), plain, atol=1e-6)
    assert np.min(gaussian_blur(plain, (1, 2), sigma=(1.0, 2.0))) < 0.45


def test_it_is_cvrls(shared_dir):
    golden, x, constants = peer_values.case(shared_dir, "cvrl", "augment")
    video = tf.constant(x["image"])[tf.newaxis]
    got = apply_blur(video, constants["sigma"], constants["kernel_size"])[0]
    np.testing.assert_allclose(got, golden["augment/blur"], atol=1e-5)


def test_half_of_the_videos_are_blurred_where_that_is_bound():
    video = tf.random.stateless_uniform((1, 20, 20, 3), (1, 2))
    drawn = [
        not np.array_equal(gaussian_blur(video, (i, 0), probability=0.5, kernel_size=5), video)
        for i in range(120)
    ]
    assert 0.35 < np.mean(drawn) < 0.65


def test_unusable_arguments_are_refused():
    video = tf.zeros((1, 20, 20, 3))
    with pytest.raises(
        UserError, match="gaussian_blur.border = 'wrap': expected one of zero, edge"
    ):
        gaussian_blur(video, (1, 2), border="wrap")
    with pytest.raises(UserError, match="gaussian_blur.sigma"):
        gaussian_blur(video, (1, 2), sigma=(2.0, 0.1))
