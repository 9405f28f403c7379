import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.data.augment.random_convolution import (
    apply_convolution,
    he_normal,
    random_convolution,
)
from brave_tf.errors import UserError


@pytest.mark.parametrize("size", [1, 3, 11])
def test_apply_convolution_matches_the_reference(golden_dir, size):
    arrays, _ = reference.values(golden_dir, "ops")
    video = reference.recipe(golden_dir).moving_video_input(830, (1, 3, 12, 14, 3))[0]
    got = apply_convolution(video, arrays[f"random_convolve/{size}/w"])
    np.testing.assert_allclose(got, arrays[f"random_convolve/{size}/output"], atol=1e-5)


def test_he_normal_has_its_variance_and_is_truncated():
    weights = np.stack([he_normal(5, 3, (i, 0)) for i in range(50)])
    expected = np.sqrt(2 / (5 * 5 * 3))
    assert abs(weights.std() / expected - 1) < 0.03
    assert np.abs(weights).max() <= 2 * expected / 0.8796 + 1e-6


def kernel_widths(max_kernel, number=120):
    """Reads sizes off the response to one bright pixel."""
    impulse = np.zeros((2, 31, 31, 3), np.float32)
    impulse[:, 15, 15] = 1
    apply = tf.function(
        lambda seed: random_convolution(tf.constant(impulse), seed, max_kernel=max_kernel)
    )
    widths = []
    for i in range(number):
        got = apply(tf.constant([i, 0], tf.int32)).numpy()
        np.testing.assert_array_equal(got[0], got[1])
        widths.append(np.ptp(np.flatnonzero(np.abs(got[0]).sum(axis=(0, 2)))) + 1)
    return widths


def test_all_odd_sizes_are_drawn_alike():
    counts = np.bincount(kernel_widths(7, 200), minlength=8)
    assert set(np.flatnonzero(counts)) == {1, 3, 5, 7}
    assert counts[[1, 3, 5, 7]].min() > 30


def test_kernels_differ_from_clip_to_clip_inside_a_dataset():
    video = tf.random.stateless_uniform((1, 8, 8, 3), (1, 2))
    seeds = tf.data.Dataset.range(20).map(lambda i: tf.stack([tf.cast(i, tf.int32), 0]))
    results = [r.numpy() for r in seeds.map(lambda s: random_convolution(video, s, max_kernel=1))]
    assert len({result.tobytes() for result in results}) == 20


def test_works_on_flow():
    assert random_convolution(tf.zeros((2, 8, 8, 2)), (1, 2)).shape == (2, 8, 8, 2)


def test_refuses_no_kernel():
    with pytest.raises(UserError, match="max_kernel"):
        random_convolution(tf.zeros((1, 8, 8, 3)), (1, 2), max_kernel=0)


@pytest.mark.parametrize("shape", [(2, 9, 16, 3), (1, 7, 12, 2), (2, 12, 13, 3), (1, 3, 4, 1)])
@pytest.mark.parametrize("size", [5, 7, 9, 13])
def test_apply_convolution_matches_numpy_at_every_width(shape, size):
    rng = np.random.default_rng(size)
    video = rng.normal(size=shape).astype(np.float32)
    kernel = rng.normal(size=(size, size, shape[-1], shape[-1])).astype(np.float32)
    radius = size // 2
    padded = np.pad(video, ((0, 0), (radius, radius), (radius, radius), (0, 0)))
    expected = np.zeros(shape)
    for y in range(size):
        for x in range(size):
            moved = padded[:, y : y + shape[1], x : x + shape[2]]
            expected += moved @ kernel[y, x]
    np.testing.assert_allclose(apply_convolution(video, kernel), expected, atol=1e-3)
