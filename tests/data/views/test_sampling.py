import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.data.views import sampling

RATE = tf.constant(25.0, tf.float64)


def seed(number):
    return tf.constant([number, 0], tf.int32)


def test_frame_indices_follow_time_at_any_record_rate():
    for record_rate in (25.0, 30.0, 15.0, 29.97, 60.0):
        rate = tf.constant(record_rate, tf.float64)
        got = sampling.frame_indices(0.4, 8, 3, 25.0, rate, tf.constant(1000))
        expected = [int((0.4 + i * 3 / 25) * record_rate + 1e-4) for i in range(8)]
        np.testing.assert_array_equal(got, expected)


def test_frame_indices_hit_every_frame_of_a_long_clip():
    starts = np.arange(0, 90_000, 7) / 25.0
    got = [
        sampling.frame_indices(start, 1, 1, 25.0, RATE, tf.constant(90_000))
        for start in starts[::97]
    ]
    np.testing.assert_array_equal(np.ravel(got), np.arange(0, 90_000, 7)[::97])


def test_frame_indices_loop():
    got = sampling.frame_indices(0.12, 8, 2, 25.0, RATE, tf.constant(5))
    np.testing.assert_array_equal(got, (3 + 2 * np.arange(8)) % 5)


@pytest.mark.parametrize("record_rate, expected", [(25.0, 31), (50.0, 61), (12.5, 16)])
def test_window_length(record_rate, expected):
    assert sampling.window_length(16, 2, 25.0, tf.constant(record_rate, tf.float64)) == expected


def test_random_start_covers_exactly_what_fits():
    draws = {
        int(sampling.random_start(tf.constant(10), tf.constant(7), seed(i), loop=True))
        for i in range(100)
    }
    assert draws == {0, 1, 2, 3}


@pytest.mark.parametrize("loop, expected", [(True, {0, 1, 2, 3}), (False, {0})])
def test_random_start_in_a_clip_that_is_too_short(loop, expected):
    draws = {
        int(sampling.random_start(tf.constant(4), tf.constant(7), seed(i), loop=loop))
        for i in range(100)
    }
    assert draws == expected


def test_the_last_start_can_be_left_out():
    draws = {
        int(sampling.random_start(tf.constant(10), tf.constant(7), seed(i), loop=True, last=False))
        for i in range(100)
    }
    assert draws == {0, 1, 2}
    for length, expected in ((7, 0), (8, 0)):
        length, window = tf.constant(length), tf.constant(7)
        assert sampling.random_start(length, window, seed(1), loop=True, last=False) == expected


@pytest.mark.parametrize("start", [0.0, 0.12])
def test_the_first_frame_is_held_in_a_clip_that_is_too_short(start):
    got = sampling.frame_indices(start, 6, 2, 25.0, RATE, tf.constant(8), hold=True)
    np.testing.assert_array_equal(got, [0, 0, 1, 3, 5, 7])
    fits = sampling.frame_indices(start, 6, 2, 25.0, RATE, tf.constant(14), hold=True)
    np.testing.assert_array_equal(fits, np.arange(0, 12, 2) + round(start * 25))


def test_audio_window_inside_is_the_sound_itself():
    pcm = tf.range(100.0)
    got = sampling.audio_window(pcm, tf.constant(60), 40, tf.constant(80))
    np.testing.assert_array_equal(got, np.arange(60, 100))


@pytest.mark.parametrize("samples", [70, 80, 90])
@pytest.mark.parametrize("start", [0, 25, 79])
def test_audio_window_loops_with_the_period(samples, start):
    got = sampling.audio_window(
        1.0 + tf.range(float(samples)), tf.constant(start), 200, tf.constant(80)
    )
    times = (start + np.arange(200)) % 80
    np.testing.assert_array_equal(got, np.where(times < samples, 1 + times, 0))


def test_linear_starts_are_those_of_the_reference(golden_dir):
    _, cases = reference.values(golden_dir, "ops")
    for case in cases["linearly_spaced"]:
        window = (case["num_frames_per_sample"] - 1) * case["step"] + 1
        got = sampling.linear_starts(
            tf.constant(case["sequence_length"]), tf.constant(window), case["num_samples"]
        )
        np.testing.assert_array_equal(got, [start for start, _, _ in case["result"]])


def test_extended_length_is_that_of_the_reference(golden_dir):
    _, cases = reference.values(golden_dir, "ops")
    for case in cases["extend_sequence"]:
        got = sampling.extended_length(tf.constant(case["frames"]), tf.constant(case["min_frames"]))
        assert got == case["result"]
