import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.tsm_light import tsm_light


def test_default_size():
    model = tsm_light()
    assert model.output_shape == (None, 128)
    assert 200_000 < model.count_params() < 500_000


@pytest.mark.parametrize("shape", [(3, 9, 45, 37, 3), (1, 1, 3, 5, 3)])
def test_any_size_of_clip(shape):
    features = tsm_light()(np.random.default_rng(0).random(shape, np.float32))
    assert features.shape == (shape[0], 128)
    assert np.all(np.isfinite(features))


def test_stages_and_endpoints_follow_the_arguments():
    model = tsm_light(widths=(16, 32), blocks=(2, 1), stem_stride=2, channels=2, name="flow")
    x = tf.keras.Input((4, 32, 24, 2), batch_size=2)
    names = ["stem", "stage_1", "stage_2", "last_conv", "embedding"]
    outputs = tf.keras.Model(model.input, [model.get_layer(n).output for n in names])(x)
    sizes = [(8, 16, 12, 16), (8, 16, 12, 16), (8, 8, 6, 32), (8, 8, 6, 32), (2, 32)]
    assert [tuple(y.shape) for y in outputs] == sizes
    assert model.name == "flow"
    with pytest.raises(UserError, match="blocks"):
        tsm_light(widths=(16, 32), blocks=(1,))


def test_frames_are_seen_in_order_only_with_a_shift():
    x = np.random.default_rng(0).random((2, 6, 24, 24, 3), np.float32)
    for fraction, sees_order in [(0.125, True), (0.0, False)]:
        model = tsm_light(shift_fraction=fraction)
        changes = np.abs(model(x[:, ::-1]) - model(x)).max()
        assert (changes > 1e-3) == sees_order


def test_the_stem_is_a_convolution_over_as_many_frames():
    x = np.random.default_rng(0).random((2, 4, 12, 16, 3), np.float32)
    model = tsm_light((16,), (1,), stem_kernel=3, stem_stride=1, stem_frames=3, shift_fraction=0.0)
    stem = tf.keras.Model(model.input, model.get_layer("stem").output)
    kernel = (
        model.get_layer("stem").kernel.numpy().reshape(3, 3, 3, 3, 16)
    )  # (h, w, frame, C, filters)
    padded = np.pad(x, [(0, 0), (1, 1), (0, 0), (0, 0), (0, 0)], mode="edge")
    over_time = tf.nn.conv3d(
        np.pad(padded, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)]),
        kernel.transpose(2, 0, 1, 3, 4),
        [1, 1, 1, 1, 1],
        "VALID",
    )
    np.testing.assert_allclose(stem(x), tf.reshape(over_time, (8, 12, 16, 16)), atol=1e-5)


def test_one_clip_does_not_influence_another():
    x = np.random.default_rng(0).random((3, 4, 24, 24, 3), np.float32)
    model = tsm_light()
    np.testing.assert_allclose(model(x)[1:2], model(x[1:2]), atol=1e-5)


def test_learns_the_direction_of_motion():
    tf.keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=256)
    noise = rng.random((256, 1, 16, 24, 3), np.float32)
    shifts = np.where(labels, 2, -2)[:, None] * np.arange(6)
    clips = [[np.roll(x[0], s, axis=1) for s in steps] for x, steps in zip(noise, shifts)]
    clips = np.asarray(clips, np.float32)
    model = tf.keras.Sequential(
        [tsm_light((16, 32), (1, 1), stem_stride=2), tf.keras.layers.Dense(2)]
    )
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    model.fit(clips[:192], labels[:192], batch_size=32, epochs=8, verbose=0)
    # A single frame says nothing: chance is 0.5.
    assert model.evaluate(clips[192:], labels[192:], verbose=0)[1] > 0.9


def test_weights_follow_the_global_seed():
    weights = []
    for seed in (1, 1, 2):
        tf.keras.utils.set_random_seed(seed)
        weights.append(tsm_light().get_layer("stage_2_block_1_conv_0").kernel.numpy())
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.abs(weights[0] - weights[2]).max() > 0.01


def test_features_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    assert tsm_light()(tf.zeros((2, 3, 24, 24, 3))).dtype == tf.float32


def test_saved_model_gives_the_same_features(tmp_path):
    x = tf.random.uniform((2, 3, 24, 24, 3))
    model = tsm_light()
    model.save(tmp_path / "model.keras")
    restored = tf.keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(restored(x), model(x))
