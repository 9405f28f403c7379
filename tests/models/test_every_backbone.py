"""What holds for each backbone of the package."""

import numpy as np
import pytest
import tensorflow as tf
from of_a_kind import some_long
from small_backbones import BACKBONES

from brave_tf.models.endpoints import endpoint_names, endpoints
from brave_tf.models.tsm_resnet import tsm_resnet

SLOW = ("r3d", "slow", "r2plus1d", "r2plus1d_torch", "avid_video", "s3d")  # to build and to trace
# Rounding moves maxima, or the sign before a relu, and with them gradients: by 0.15 at most.
MOVED_BY_ROUNDING = ("avid_video", "r2plus1d_torch")
every_backbone = pytest.mark.parametrize(
    "name", [*(name for name in BACKBONES if name not in SLOW), *some_long(SLOW, ["slow"])]
)


def batch(shape, size=2):
    return np.random.default_rng(0).random((size, *shape), np.float32)


def loss_and_gradients(model, x, training=True):
    with tf.GradientTape() as tape:
        # Of the same scale for all, so that float16 neither overflows nor underflows.
        loss = 10 * tf.math.log(tf.reduce_mean(model(x, training=training) ** 2))
    gradients = tape.gradient(loss, model.trainable_variables)
    return loss, [tf.convert_to_tensor(g) for g in gradients]


def distance(found, expected):
    """Relative L2 distance of lists of arrays."""
    differences = [np.asarray(a, "f8") - np.asarray(b, "f8") for a, b in zip(found, expected)]
    size = np.sqrt(sum(np.sum(np.square(b, dtype="f8")) for b in map(np.asarray, expected)))
    return np.sqrt(sum(np.sum(d**2) for d in differences)) / size


@every_backbone
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(name, policy):
    """With fixed statistics of normalisation: those of a few values would make rounding large."""
    build, shape = BACKBONES[name]
    tf.keras.utils.set_random_seed(0)
    exact = build()
    for index, weight in enumerate(exact.non_trainable_weights):
        if "variance" in weight.name:
            weight.assign(tf.random.stateless_uniform(weight.shape, (0, index), 0.8, 1.2))
    tf.keras.mixed_precision.set_global_policy(policy)
    model = build()
    model.set_weights(exact.get_weights())
    x = batch(shape)
    assert model(x).dtype == tf.float32
    assert all(w.dtype == tf.float32 for w in model.trainable_variables)
    _, gradients = loss_and_gradients(model, x, training=False)
    _, expected = loss_and_gradients(exact, x, training=False)
    assert distance([model(x)], [exact(x)]) < 0.03
    assert distance(gradients, expected) < (0.2 if name in MOVED_BY_ROUNDING else 0.1)
    assert np.all(np.isfinite(model(x, training=True)))


@every_backbone
def test_checkpointed_stages_change_nothing(name):
    build, shape = BACKBONES[name]
    results = []
    for stages in (False, True):
        tf.keras.utils.set_random_seed(0)
        model = build(checkpoint_stages=stages)
        loss, gradients = loss_and_gradients(model, batch(shape))
        results.append(([w.name for w in model.weights], loss, *gradients, *model.get_weights()))
    assert results[0][0] == results[1][0]
    for expected, found in zip(results[0][1:], results[1][1:]):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@every_backbone
def test_a_keras_file_gives_the_same_model(name, tmp_path):
    build, shape = BACKBONES[name]
    model = build(checkpoint_stages=[1])
    model(batch(shape), training=True)
    model.save(tmp_path / "model.keras")
    tf.keras.backend.clear_session()
    restored = tf.keras.models.load_model(tmp_path / "model.keras")
    for weight, expected in zip(restored.weights, model.weights):
        np.testing.assert_array_equal(weight, expected)
    np.testing.assert_array_equal(restored(batch(shape)), model(batch(shape)))
    expected = loss_and_gradients(model, batch(shape))[1]
    for found, gradient in zip(loss_and_gradients(restored, batch(shape))[1], expected):
        np.testing.assert_allclose(found, gradient, rtol=1e-5, atol=1e-5)


@every_backbone
def test_static_and_open_sizes(name):
    build, shape = BACKBONES[name]
    model = build()
    names = endpoint_names(model)
    assert names[-2:] == ["last_conv", "embedding"]
    parts = endpoints(model, names)
    symbolic = parts(tf.keras.Input(shape, batch_size=2))
    for key, value in parts(batch(shape)).items():
        assert symbolic[key].shape == value.shape
    if name == "video_swin":  # its windows and paddings are made for one size
        return
    signature = tf.TensorSpec((None,) * len(shape) + shape[-1:])
    answer = tf.function(model, input_signature=[signature], autograph=False)
    for lengths in [(1, 17, 23), (7, 9, 40)]:
        x = batch((*lengths[: len(shape) - 1], shape[-1]), size=3)
        np.testing.assert_allclose(answer(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depth", [101, 152, 200])
def test_deep_layouts(depth):
    """Their shortcuts and widths are those of depth 50; only the number of blocks differs."""
    blocks = {101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}[depth]
    model = tsm_resnet(depth, width_multiplier=1 / 16)
    total, inputs = 49 * 3 * 4, 4
    for stage, repeats in enumerate(blocks):
        width = 4 * 2**stage
        for block in range(repeats):
            total += 2 * inputs + inputs * width + 2 * width + 9 * width**2 + 2 * width
            total += width * 4 * width + (inputs * 4 * width if block == 0 else 0)
            inputs = 4 * width
    total += 2 * inputs
    assert sum(v.shape.num_elements() for v in model.trainable_variables) == total
