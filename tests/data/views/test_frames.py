import functools
import io

import numpy as np
import pytest
import record_fixtures
import reference
import tensorflow as tf

from brave_tf.data.records import stored_values
from brave_tf.data.views import frames

pytestmark = pytest.mark.usefixtures("either_way")


def golden_jpegs(arrays, name):
    stream = io.BytesIO(arrays[f"jpeg/{name}/bytes"].tobytes())
    return tf.constant([stream.read(length) for length in arrays[f"jpeg/{name}/lengths"]])


def draw_windows(number, height, width, area, aspect, *how):
    @tf.function
    def draw(seeds):
        return tf.map_fn(
            lambda seed: frames.random_crop_window(
                tf.constant(height), tf.constant(width), area, aspect, seed, *how
            ),
            seeds,
            fn_output_signature=tf.TensorSpec((4,), tf.int32),
        )

    seeds = tf.stack([tf.range(number), tf.ones(number, tf.int32)], axis=1)
    return draw(seeds).numpy()


def test_random_crops_are_distributed_like_the_reference(golden_dir):
    _, cases = reference.values(golden_dir, "ops")
    case = cases["random_crop_distribution"]
    top, left, height, width = draw_windows(4000, *case["image"], (0.3, 1.0), (0.5, 2.0)).T
    levels = case["quantiles"][1:-1]
    for got, key, tolerance in (
        (height * width / (240 * 320), "area", 0.02),
        (width / height, "aspect_width_over_height", 0.06),
        (top, "top", 6),
        (left, "left", 8),
    ):
        np.testing.assert_allclose(np.quantile(got, levels), case[key][1:-1], atol=tolerance)


def test_random_crops_keep_area_and_aspect():
    top, left, height, width = draw_windows(500, 90, 70, (0.2, 0.5), (0.75, 1.25)).T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + height <= 90).all() and (left + width <= 70).all()
    area = height * width / (90 * 70)
    assert area.min() > 0.19 and area.max() < 0.51
    assert (width / height).min() > 0.73 and (width / height).max() < 1.28


def test_whole_frame_when_asked_for():
    np.testing.assert_array_equal(
        draw_windows(1, 90, 70, (1.0, 1.0), (0.5, 2.0))[0], [0, 0, 90, 70]
    )


@pytest.mark.parametrize("height, width, padding", [(160, 200, 16), (64, 48, 6)])
def test_crops_that_cannot_be_drawn_fall_back_to_the_centre(height, width, padding):
    side = min(height, width)
    window = draw_windows(1, height, width, (0.99, 1.0), (3.0, 4.0))[0]
    size = side - 2 * padding
    expected = [(height - side) // 2 + padding, (width - side) // 2 + padding, size, size]
    np.testing.assert_array_equal(window, expected)


def test_padded_center_window_is_that_of_the_reference(golden_dir):
    _, cases = reference.values(golden_dir, "ops")
    for case in cases["pad_and_center_crop_window"]:
        got = frames.padded_center_window(
            tf.constant(case["height"]), tf.constant(case["width"]), tf.constant(case["padding"])
        )
        np.testing.assert_array_equal(got, case["result"])


def test_resized_shape_is_that_of_the_reference(golden_dir):
    arrays, cases = reference.values(golden_dir, "ops")
    for number in range(5):
        before, after = (arrays[f"resize_min/{number}/{key}"].shape for key in ("input", "output"))
        short_side = cases[f"resize_min/{number}"]["shortest_edge"]
        got = frames.resized_shape(tf.constant(before[1]), tf.constant(before[2]), short_side)
        assert tuple(int(side) for side in got) == after[1:3]


def test_resizing_is_that_of_the_reference(golden_dir):
    arrays, _ = reference.values(golden_dir, "ops")
    for number in range(5):
        before, after = (arrays[f"resize_min/{number}/{key}"] for key in ("input", "output"))
        whole = tf.constant([0, 0, *before.shape[1:3]])
        got = frames.decode_crop_resize(tf.constant(before), whole, *after.shape[1:3])
        # The reference rounds the resized values down to whole levels.
        assert (got - after).numpy().min() > -1e-3 and (got - after).numpy().max() < 1 + 1e-3


@pytest.mark.parametrize("size", [(40, 31), (24, 32), (17, 29), (5, 64), (6, 7), (1, 1)])
def test_resizing_is_linear_along_both_sides(size):
    clip = np.random.default_rng(0).integers(0, 256, (16, 24, 32, 3), np.uint8)
    expected = clip / 255.0
    for axis, after in ((1, size[0]), (2, size[1])):
        before = clip.shape[axis]
        at = (np.arange(after) + 0.5) * before / after - 0.5
        resize = functools.partial(np.interp, at, np.arange(before))
        expected = np.apply_along_axis(resize, axis, expected)
    whole = tf.constant([0, 0, 24, 32])
    got = frames.decode_crop_resize(tf.constant(clip), whole, *size, 1.0)
    np.testing.assert_allclose(got, expected, atol=2e-6)


@pytest.mark.parametrize("name", ["landscape", "portrait"])
def test_decoding_is_that_of_the_reference(golden_dir, name):
    arrays, _ = reference.values(golden_dir, "ops")
    jpegs = golden_jpegs(arrays, name)
    whole = tf.stack([0, 0, *frames.frame_shape(jpegs[0])])
    pixels = frames.decode_crop(jpegs, whole).numpy().astype(np.int64)
    expected = arrays[f"jpeg/{name}/decoded_probe"]
    np.testing.assert_allclose(pixels.sum(axis=(1, 2, 3)), expected, atol=0.1 * pixels[0].size)


@pytest.mark.parametrize("name", ["landscape", "portrait"])
def test_decode_crop_resize_is_that_of_the_reference(golden_dir, name):
    arrays, cases = reference.values(golden_dir, "ops")
    case = cases[f"decode_crop_resize/{name}"]
    jpegs = golden_jpegs(arrays, name)[:2]
    got = frames.decode_crop_resize(jpegs, tf.constant(case["crop_window"]), *case["image_size"])
    np.testing.assert_allclose(got, arrays[f"decode_crop_resize/{name}"], atol=2)


@pytest.mark.parametrize("known_length", [True, False])
def test_decode_crop_takes_the_window_of_every_frame(known_length):
    rng = np.random.default_rng(0)
    videos = [rng.integers(0, 256, (24, 32, 3), np.uint8) for _ in range(3)]
    jpegs = tf.constant([record_fixtures.jpeg(frame) for frame in videos])
    shape = (3,) if known_length else (None,)
    decode = tf.function(frames.decode_crop, input_signature=[
        tf.TensorSpec(shape, tf.string), tf.TensorSpec((4,), tf.int32)])  # fmt: skip
    whole = np.stack([tf.io.decode_jpeg(jpeg, channels=3) for jpeg in jpegs.numpy()])
    got = decode(jpegs, tf.constant([3, 5, 10, 20]))
    np.testing.assert_array_equal(got, whole[:, 3:13, 5:25])


def test_gray_jpegs_become_colour():
    jpeg = record_fixtures.jpeg(np.full((16, 16, 1), 77, np.uint8))
    got = frames.decode_crop(tf.constant([jpeg]), tf.constant([0, 0, 16, 16]))
    assert got.shape == (1, 16, 16, 3)
    np.testing.assert_allclose(tf.cast(got, tf.float32), 77, atol=1)


def test_decoded_frames_are_cropped_like_encoded_ones():
    rng = np.random.default_rng(0)
    jpegs = [record_fixtures.jpeg(rng.integers(0, 256, (24, 32, 3), np.uint8)) for _ in range(3)]
    pixels = tf.stack([tf.io.decode_jpeg(jpeg) for jpeg in jpegs])
    jpegs, window = tf.constant(jpegs), tf.constant([3, 5, 10, 20])
    for clip in (jpegs, pixels):
        assert int(stored_values.count(clip)) == 3
        assert [int(side) for side in frames.frame_shape(clip[0])] == [24, 32]
        np.testing.assert_array_equal(frames.decode_crop(clip, window), pixels[:, 3:13, 5:25])
    resized = [frames.decode_crop_resize(clip, window, 8, 8) for clip in (jpegs, pixels)]
    np.testing.assert_array_equal(*resized)


@pytest.mark.parametrize("window", [[0, 0, 25, 32], [20, 0, 5, 32], [0, -1, 5, 5]])
def test_a_crop_outside_of_decoded_frames_is_an_error(window):
    with pytest.raises(tf.errors.InvalidArgumentError):
        frames.decode_crop(tf.zeros((2, 24, 32, 3), tf.uint8), tf.constant(window))


def test_crops_can_be_uniform_in_area_and_in_the_logarithm_of_the_aspect_ratio():
    sides, area, aspect = (300, 300), (0.2, 0.5), (3 / 4, 4 / 3)  # which all fit
    top, left, height, width = draw_windows(3000, *sides, area, aspect, "area").T
    levels = np.linspace(0.1, 0.9, 9)
    for values, (low, high) in (
        (height * width / 90_000, area),
        (np.log(width / height), np.log(aspect)),
        (top / (300 - height), (0, 1)),
        (left / (300 - width), (0, 1)),
    ):
        found = (np.quantile(values, levels) - low) / (high - low)
        np.testing.assert_allclose(found, levels, atol=0.04)
        assert -0.02 < (values.min() - low) / (high - low) < 0.03
    by_height = draw_windows(3000, *sides, area, aspect).astype(float)
    # The square root of the area is uniform there.
    expected = (0.5**1.5 - 0.2**1.5) / (3 * (0.5**0.5 - 0.2**0.5))
    assert np.mean(by_height[:, 2] * by_height[:, 3]) / 90_000 == pytest.approx(expected, abs=0.01)
    assert abs(np.mean(height * width) / 90_000 - 0.35) < 0.006 < abs(expected - 0.35)


@pytest.mark.parametrize(
    "sides, area, aspect, expected",
    [
        ((40, 400), (0.9, 0.95), (0.5, 2.0), (0, 160, 40, 80)),
        ((400, 40), (0.9, 0.95), (0.5, 2.0), (160, 0, 80, 40)),
    ],
)
def test_where_no_area_fits_the_largest_centre_crop_of_the_range_is_taken(
    sides, area, aspect, expected
):
    np.testing.assert_array_equal(draw_windows(20, *sides, area, aspect, "area"), [expected] * 20)


def test_crops_uniform_in_area_stay_within_frames():
    top, left, height, width = draw_windows(1000, 37, 61, (0.08, 1.0), (0.5, 2.0), "area").T
    assert min(top.min(), left.min()) == 0 and min(height.min(), width.min()) > 0
    assert (top + height).max() == 37 and (left + width).max() == 61
