import functools

import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.interop.deepmind.weights import load_haiku
from brave_tf.models.tsm_resnet import tsm_resnet

ENDPOINTS = {
    "tsm_resnet_stem": "stem",
    **{f"tsm_resnet_unit_{i}": f"stage_{i + 1}" for i in range(4)},
    "last_conv": "last_conv",
}


def trainable(model):
    return sum(v.shape.num_elements() for v in model.trainable_variables)


@functools.lru_cache(maxsize=2)
def reference_model(golden_dir, spec, module, width_multiplier=1):
    checkpoint = reference.recipe(golden_dir).make_checkpoint(
        str(golden_dir / f"spec_{spec}.json"), [module]
    )
    model = tsm_resnet(width_multiplier=width_multiplier)
    load_haiku(model, checkpoint["params"], checkpoint["state"], module)
    return model


def reference_input(golden_dir, case):
    recipe = reference.recipe(golden_dir)
    make = {"video": recipe.video_input, "moving": recipe.moving_video_input}
    return make[case["input"]["recipe"]](case["input"]["seed"], case["input"]["shape"])


@pytest.mark.parametrize(
    ("kwargs", "weights", "weights_and_statistics"),
    [
        ({}, 23_500_352, 23_545_792),
        pytest.param({"width_multiplier": 2}, 93_891_712, 93_982_592, marks=pytest.mark.long),
        ({"channels": 2}, 23_500_352 - 49 * 64, 23_545_792 - 49 * 64),
        ({"depth": 18}, 11_174_720, 11_182_528),
    ],
)
def test_number_of_parameters(kwargs, weights, weights_and_statistics):
    model = tsm_resnet(**kwargs)
    assert trainable(model) == weights
    assert model.count_params() == weights_and_statistics


@pytest.mark.parametrize("case", ["narrow/A", "narrow/C", "narrow/D", "narrow/E", "broad_video/A"])
def test_embedding_agrees_with_reference(golden_dir, case):
    golden, cases = reference.values(golden_dir, "forward_eval_1x")
    module = f"{cases[case]['forward']}_embedding"
    model = reference_model(golden_dir, cases[case]["spec"], module)
    got = model(reference_input(golden_dir, cases[case]), training=False).numpy()
    assert got.dtype == np.float32
    assert reference.error(got, golden[f"{case}/embedding_f64"]) < 1e-5


@pytest.mark.long
def test_wide_embedding_agrees_with_reference(golden_dir):
    golden, cases = reference.values(golden_dir, "forward_eval_2x")
    model = reference_model(golden_dir, "v_a_2x", "narrow_video_embedding", width_multiplier=2)
    for case in ("narrow/A", "narrow/B"):
        got = model(reference_input(golden_dir, cases[case]), training=False).numpy()
        assert reference.error(got, golden[f"{case}/embedding_f64"]) < 1e-5


def test_endpoints_agree_with_reference(golden_dir):
    golden, cases = reference.values(golden_dir, "forward_eval_1x")
    model = reference_model(golden_dir, "v_a_1x", "narrow_video_embedding")
    outputs = [model.get_layer(name).output for name in ENDPOINTS.values()]
    x = reference_input(golden_dir, cases["narrow/A"])
    for name, got in zip(ENDPOINTS, tf.keras.Model(model.input, outputs)(x)):
        key = f"narrow/A/endpoint/{name}"
        got = got.numpy().reshape(golden[f"{key}/shape"])
        largest = np.abs(got).max()
        first = golden[f"{key}/first16_f64"]
        np.testing.assert_allclose(got.ravel()[:16], first, atol=1e-5 * largest)
        probe = reference.recipe(golden_dir).probe(key, got.shape)
        noise = 1e-6 * np.linalg.norm(got) * np.linalg.norm(probe) / np.sqrt(got.size)
        np.testing.assert_allclose(
            np.sum(got.astype("f8") * probe), golden[f"{key}/probe_f64"], atol=30 * noise
        )


def test_training_mode_agrees_with_reference(golden_dir):
    golden, cases = reference.values(golden_dir, "forward_train_1x")
    model = reference_model(golden_dir, "v_a_1x", "narrow_video_embedding")
    statistics = model.get_weights()
    got = model(reference_input(golden_dir, cases["narrow/A"]), training=True).numpy()
    model.set_weights(statistics)
    # Batch statistics of two clips of a random network: float32 is good for 1e-3.
    assert reference.error(got, golden["narrow/A/embedding_f64"]) < 2e-3


def test_any_size_of_clip():
    model = tsm_resnet(depth=18, channels=3)
    for shape in [(3, 9, 80, 96, 3), (1, 1, 17, 33, 3)]:
        features = model(np.random.default_rng(0).random(shape, np.float32))
        assert features.shape == (shape[0], 512)
        assert np.all(np.isfinite(features))


def test_static_shapes_and_endpoints():
    model = tsm_resnet(depth=18)
    x = tf.keras.Input((4, 64, 48, 3), batch_size=2)
    assert tuple(model(x).shape) == (2, 512)
    names = ["stem", "stage_1", "stage_2", "stage_3", "stage_4", "last_conv", "embedding"]
    outputs = tf.keras.Model(model.input, [model.get_layer(n).output for n in names])(x)
    assert [tuple(y.shape) for y in outputs] == [
        (8, 16, 12, 64),
        (8, 16, 12, 64),
        (8, 8, 6, 128),
        (8, 4, 3, 256),
        (8, 2, 2, 512),
        (8, 2, 2, 512),
        (2, 512),
    ]


def test_features_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = tsm_resnet(depth=18)
    assert model.get_layer("stage_1_block_1_conv_0").compute_dtype == "bfloat16"
    x = np.random.default_rng(0).random((2, 3, 32, 32, 3), np.float32)
    assert model(x).dtype == tf.float32
    assert all(v.dtype == tf.float32 for v in model.variables)


def test_wrong_input_names_the_expected_shape():
    model = tsm_resnet(depth=18)
    with pytest.raises(ValueError, match=r"expected shape=\(None, None, None, None, 3\)"):
        model(tf.zeros((2, 4, 32, 32, 2)))
    with pytest.raises(UserError, match=r"\(2, 32, 32, 3\), expected clips \(B, T, H, W, C\)"):
        model(tf.zeros((2, 32, 32, 3)))
    with pytest.raises(UserError, match="depth = 49"):
        tsm_resnet(depth=49)
