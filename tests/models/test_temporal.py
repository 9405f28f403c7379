import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.temporal import (
    ClipMean,
    FoldTime,
    NeighbourFrames,
    TemporalShift,
    temporal_shift,
)


def numpy_shift(x, fraction):
    k = int(x.shape[-1] * fraction)
    out = x.copy()
    if k:
        out[..., :k] = 0
        out[..., -k:] = 0
        out[:, :-1, ..., :k] = x[:, 1:, ..., -k:]
        out[:, 1:, ..., -k:] = x[:, :-1, ..., :k]
    return out


@pytest.mark.parametrize("shape", [(2, 5, 3, 4, 16), (1, 1, 2, 2, 8), (3, 2, 1, 1, 7)])
@pytest.mark.parametrize("fraction", [0.125, 0.25, 0.0])
def test_channels_come_from_neighbouring_frames(shape, fraction):
    x = np.random.default_rng(0).random(shape, np.float32)
    np.testing.assert_array_equal(
        temporal_shift(tf.constant(x), fraction), numpy_shift(x, fraction)
    )


def test_more_than_all_channels_cannot_move():
    with pytest.raises(UserError, match="shift_fraction = 0.6"):
        temporal_shift(tf.zeros((1, 2, 2, 2, 8)), 0.6)


@pytest.mark.parametrize("case", ["a", "b", "c", "d"])
def test_agrees_with_reference(golden_dir, case):
    golden, cases = reference.values(golden_dir, "ops")
    case = f"temporal_shift/{case}"
    frames, expected = golden[f"{case}/input"], golden[f"{case}/output"]
    clips = frames.reshape(-1, cases[case]["num_frames"], *frames.shape[1:])
    got = temporal_shift(tf.constant(clips), cases[case]["channel_shift_fraction"])
    np.testing.assert_array_equal(got, expected.reshape(clips.shape))


def test_gradient_is_that_of_the_shift():
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 2, 4, 2, 3, 8))
    x = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(temporal_shift(x**2) * dy)
        gradient = tape.gradient(loss, x)
        total = tf.reduce_sum(gradient)
    # d/dx of <shift(x^2), dy>: the shift is linear, so probe it with unit vectors.
    units = np.eye(x.shape.num_elements()).reshape(-1, *x.shape[1:]).reshape(-1, *x.shape)
    transposed = [np.sum(numpy_shift(unit, 0.125) * dy) for unit in units]
    transposed = np.reshape(transposed, x.shape)
    np.testing.assert_allclose(gradient, 2 * x * transposed, rtol=1e-12)
    np.testing.assert_allclose(outer.gradient(total, x), 2 * transposed, rtol=1e-12)


def test_layers_work_for_clips_of_any_length():
    clips = tf.keras.Input((None, None, None, 8))
    shifted = TemporalShift()([FoldTime()(clips), clips])
    model = tf.keras.Model(clips, [shifted, ClipMean()([shifted, clips])])
    for shape in [(2, 5, 3, 4, 8), (1, 1, 2, 2, 8), (3, 4, 1, 6, 8)]:
        x = np.random.default_rng(0).random(shape, np.float32)
        frames, mean = model(x)
        expected = numpy_shift(x, 0.125)
        np.testing.assert_array_equal(frames, expected.reshape(-1, *shape[2:]))
        np.testing.assert_allclose(mean, expected.mean((1, 2, 3)), rtol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 6])
def test_frames_stand_beside_their_neighbours_and_ends_are_repeated(length):
    clips = tf.keras.Input((None, None, None, 2))
    model = tf.keras.Model(clips, NeighbourFrames(5)(clips))
    x = np.random.default_rng(0).random((3, length, 4, 3, 2), np.float32)
    padded = np.pad(x, [(0, 0), (2, 2), (0, 0), (0, 0), (0, 0)], mode="edge")
    expected = np.concatenate([padded[:, i : i + length] for i in range(5)], axis=-1)
    assert model.output_shape[-1] == 10
    np.testing.assert_array_equal(model(x), expected)


@pytest.mark.parametrize("count", [0, 2, -1, 1.0])
def test_a_frame_has_as_many_neighbours_before_as_after_it(count):
    with pytest.raises(UserError, match=f"{count} neighbouring frames: expected an odd number"):
        NeighbourFrames(count)


def test_static_shapes_propagate():
    clips = tf.keras.Input((4, 6, 5, 8), batch_size=2)
    frames = FoldTime()(clips)
    assert tuple(frames.shape) == (8, 6, 5, 8)
    assert tuple(TemporalShift()([frames, clips]).shape) == (8, 6, 5, 8)
    assert tuple(ClipMean()([frames, clips]).shape) == (2, 8)
    assert tuple(NeighbourFrames()(clips).shape) == (2, 4, 6, 5, 24)
