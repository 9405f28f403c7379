import dataclasses
import io

import numpy as np
import pytest
import record_fixtures
import reference
import tensorflow as tf

from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.views.rgb import RgbView

RNG = np.random.default_rng(0)
WHOLE = {"min_area": 1.0, "augmentations": ()}


def clip_of(jpegs, **kwargs):
    record = record_fixtures.record(images=jpegs, **kwargs)
    return parse_clip(tf.constant(record), (record_fields.IMAGE,))


def smooth_frames(number, height, width):
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (5 + t)) + np.cos(y / 7 + t) for t in range(number)]
    return [np.repeat((60 * wave + 128)[..., None], 3, -1).astype(np.uint8) for wave in waves]


def decoded(jpegs):
    return np.stack([tf.io.decode_jpeg(jpeg, channels=3) for jpeg in jpegs]) / 255.0


def test_sample_is_the_decoded_window():
    jpegs = [record_fixtures.jpeg(frame) for frame in smooth_frames(12, 32, 32)]
    view = RgbView(num_frames=3, frame_step=2, size=32, **WHOLE)
    got = view.sample(clip_of(jpegs), 4 / 25, (1, 2))
    assert got.dtype == tf.float32
    np.testing.assert_allclose(got, decoded(jpegs)[4:9:2], atol=1e-6)


def test_sample_is_static_augmented_and_in_range():
    jpegs = [record_fixtures.jpeg(RNG.integers(0, 256, (40, 56, 3), np.uint8)) for _ in range(9)]
    view = RgbView(num_frames=4, size=24)
    clip = clip_of(jpegs)
    sample = tf.function(lambda seed: view.sample(clip, 0.04, seed))
    results = [sample(tf.constant([i, 0])) for i in (1, 1, 2)]
    assert results[0].shape == view.shape
    np.testing.assert_array_equal(results[0], results[1])
    assert np.abs(results[0] - results[2]).max() > 0.05
    for result in results:
        assert result.numpy().min() >= 0 and result.numpy().max() <= 1


def test_the_crop_is_the_same_for_all_frames():
    jpegs = [record_fixtures.jpeg(smooth_frames(1, 48, 64)[0])] * 6
    view = RgbView(num_frames=5, frame_step=1, size=16, augmentations=())
    clip = clip_of(jpegs)
    first, second = (view.sample(clip, 0.0, (seed, 0)).numpy() for seed in (1, 2))
    assert all(np.array_equal(frame, first[0]) for frame in first)
    assert not np.array_equal(first, second)


def test_augmentations_are_applied_in_order_with_seeds_of_their_own():
    seen = []

    def note(video, seed):
        seen.append(tuple(np.asarray(seed)))
        return video * 2 if len(seen) % 2 else video + 1

    jpegs = [record_fixtures.jpeg(np.zeros((16, 16, 3), np.uint8))]
    view = RgbView(num_frames=1, size=16, min_area=1.0, augmentations=(note, note))
    np.testing.assert_array_equal(view.sample(clip_of(jpegs), 0.0, (1, 2)), np.ones(view.shape))
    assert len(set(seen)) == 2


@pytest.mark.parametrize("frame_rate", [25.0, 50.0])
def test_windows_of_all_record_rates_span_the_same_time(frame_rate):
    frames = [np.full((16, 16, 3), 4 * number, np.uint8) for number in range(40)]
    view = RgbView(num_frames=4, frame_step=2, size=16, **WHOLE)
    clip = clip_of([record_fixtures.jpeg(frame) for frame in frames], frame_rate=frame_rate)
    got = np.rint(view.sample(clip, 0.2, (1, 2)).numpy()[:, 8, 8, 0] * 255 / 4)
    np.testing.assert_allclose(got, (0.2 + np.arange(4) * 2 / 25) * frame_rate)


@pytest.mark.parametrize("name", ["landscape", "portrait"])
def test_crops_are_those_of_the_reference(golden_dir, name):
    arrays, cases = reference.values(golden_dir, "ops")
    case = cases[f"multi_crop/{name}/0"]
    stream = io.BytesIO(arrays[f"jpeg/{name}/bytes"].tobytes())
    jpegs = [stream.read(length) for length in arrays[f"jpeg/{name}/lengths"]]
    view = RgbView(
        num_frames=case["num_video_frames"],
        frame_step=case["video_step"],
        size=case["center_crop_size"],
        resize=case["initial_resize"],
    )
    got = view.crops(clip_of(jpegs), case["num_temporal_crops"], case["num_spatial_crops"])
    # The reference rounds the resized values down to whole levels.
    difference = got.numpy() * 255 - arrays[f"multi_crop/{name}/0/video_uint8"]
    assert difference.min() > -1 and difference.max() < 2
    assert 0.3 < difference.mean() < 0.7


@pytest.mark.parametrize("name", ["landscape", "portrait"])
def test_one_crop_of_the_reference_is_the_first_of_three(golden_dir, name):
    arrays, cases = reference.values(golden_dir, "ops")
    case = cases[f"multi_crop/{name}/1"]
    stream = io.BytesIO(arrays[f"jpeg/{name}/bytes"].tobytes())
    jpegs = [stream.read(length) for length in arrays[f"jpeg/{name}/lengths"]]
    size = case["center_crop_size"]
    view = RgbView(num_frames=case["num_video_frames"], size=size, resize=case["initial_resize"])
    top_left = view.crops(clip_of(jpegs), case["num_temporal_crops"], spatial=3)[::3]
    difference = top_left.numpy() * 255 - arrays[f"multi_crop/{name}/1/video_uint8"]
    assert difference.min() > -1 and difference.max() < 2
    assert 0.3 < difference.mean() < 0.7


@pytest.mark.parametrize("height, width, size", [(37, 53, 15), (51, 33, 24), (20, 20, 31)])
@pytest.mark.parametrize("gray", [False, True])
def test_frames_of_every_size_and_gray_ones_give_samples(height, width, size, gray):
    channels = 1 if gray else 3
    frames = [RNG.integers(0, 256, (height, width, channels), np.uint8) for _ in range(5)]
    view = RgbView(num_frames=3, frame_step=1, size=size)
    clip = clip_of([record_fixtures.jpeg(frame) for frame in frames])
    for seed in range(4):
        sample = view.sample(clip, 0.0, (seed, 0)).numpy()
        assert sample.shape == (3, size, size, 3)
        assert sample.min() >= 0 and sample.max() <= 1 and sample.std() > 0
        plain = dataclasses.replace(view, augmentations=()).sample(clip, 0.0, (seed, 0)).numpy()
        if gray:
            assert np.abs(plain - plain[..., :1]).max() < 2 / 255


def test_crops_of_a_clip_that_is_too_short_repeat_it():
    frames = [np.full((16, 16, 3), 10 * number, np.uint8) for number in range(12)]
    view = RgbView(num_frames=8, frame_step=2, size=16, resize=16)
    got = view.crops(clip_of([record_fixtures.jpeg(f) for f in frames]), temporal=2, spatial=1)
    shown = np.rint(got.numpy()[:, :, 8, 8, 0] * 255 / 10)
    np.testing.assert_array_equal(shown[0], np.arange(0, 16, 2) % 12)
    np.testing.assert_array_equal(shown[1], np.arange(9, 25, 2) % 12)


def test_crop_positions():
    frame = smooth_frames(1, 40, 64)[0]
    jpeg = record_fixtures.jpeg(frame)
    whole = decoded([jpeg])[0]
    view = RgbView(num_frames=1, size=32, resize=40)
    clip = clip_of([jpeg] * 3)
    three, one = view.crops(clip, 1, 3), view.crops(clip, 1, 1)
    assert three.shape == (3, 1, 32, 32, 3)
    for crop, (top, left) in zip(three, [(0, 0), (4, 16), (8, 32)]):
        np.testing.assert_allclose(crop[0], whole[top : top + 32, left : left + 32], atol=1e-6)
    np.testing.assert_array_equal(one[0], three[1])


def test_squeezed_crops_are_of_frames_made_square():
    frame = smooth_frames(1, 40, 64)[0]
    jpeg = record_fixtures.jpeg(frame)
    whole = tf.image.resize(decoded([jpeg])[0], (36, 36)).numpy()
    view = RgbView(num_frames=1, size=32, resize=36, squeeze=True)
    crops = view.crops(clip_of([jpeg] * 3), 1, 3)
    for crop, (top, left) in zip(crops, [(0, 0), (2, 2), (4, 4)]):
        np.testing.assert_allclose(crop[0], whole[top : top + 32, left : left + 32], atol=1e-5)
    all_of_it = dataclasses.replace(view, size=36)
    np.testing.assert_allclose(all_of_it.crops(clip_of([jpeg]), 1, 1)[0, 0], whole, atol=1e-5)


def test_crops_default_to_eight_sevenths_of_the_size():
    jpegs = [record_fixtures.jpeg(smooth_frames(1, 60, 80)[0])] * 2
    view = RgbView(num_frames=1, size=28)
    explicit = dataclasses.replace(view, resize=32)
    np.testing.assert_array_equal(
        view.crops(clip_of(jpegs), 2, 3), explicit.crops(clip_of(jpegs), 2, 3)
    )


def test_crops_inside_a_dataset():
    jpegs = [record_fixtures.jpeg(frame) for frame in smooth_frames(10, 20, 24)]
    view = RgbView(num_frames=3, size=16)
    record = record_fixtures.record(images=jpegs)
    dataset = tf.data.Dataset.from_tensors(record)
    dataset = dataset.map(lambda r: view.crops(parse_clip(r, view.fields), 4, 3))
    assert dataset.element_spec.shape == (12, *view.shape)
    np.testing.assert_allclose(next(iter(dataset)), view.crops(clip_of(jpegs), 4, 3), atol=1e-6)
