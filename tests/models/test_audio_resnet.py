import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.interop.deepmind.weights import load_haiku
from brave_tf.models.audio_resnet import audio_resnet


@pytest.fixture(scope="module")
def reference_model(golden_dir):
    module = "broad_audio_embedding"
    checkpoint = reference.recipe(golden_dir).make_checkpoint(
        str(golden_dir / "spec_v_a_1x.json"), [module]
    )
    model = audio_resnet()
    load_haiku(model, checkpoint["params"], checkpoint["state"], module)
    return model


def reference_input(golden_dir, case):
    return reference.recipe(golden_dir).audio_input(case["input"]["seed"], case["input"]["shape"])


def test_number_of_parameters():
    model = audio_resnet()
    assert sum(v.shape.num_elements() for v in model.trainable_variables) == 23_494_080
    assert model.count_params() == 23_494_080 + 45_440


def test_embedding_agrees_with_reference(golden_dir, reference_model):
    golden, cases = reference.values(golden_dir, "forward_eval_1x")
    for case in ("audio/A", "audio/B", "audio/C"):
        got = reference_model(reference_input(golden_dir, cases[case]), training=False).numpy()
        assert reference.error(got, golden[f"{case}/embedding_f64"]) < 1e-5


def test_training_mode_agrees_with_reference(golden_dir, reference_model):
    golden, cases = reference.values(golden_dir, "forward_train_1x")
    statistics = reference_model.get_weights()
    got = reference_model(reference_input(golden_dir, cases["audio/A"]), training=True).numpy()
    reference_model.set_weights(statistics)
    # Batch statistics of four spectrograms of a random network: float32 is good for 1e-3.
    assert reference.error(got, golden["audio/A/embedding_f64"]) < 5e-3


@pytest.mark.parametrize("depth", [18, 34])
def test_any_number_of_frames(depth):
    model = audio_resnet(depth)
    for shape in [(2, 1, 80), (3, 7, 64), (1, 130, 40)]:
        features = model(np.random.default_rng(0).random(shape, np.float32))
        assert features.shape == (shape[0], 512)
        assert np.all(np.isfinite(features))


def test_features_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    assert audio_resnet(18)(tf.zeros((2, 20, 40))).dtype == tf.float32


def test_wrong_input_names_the_expected_shape():
    with pytest.raises(UserError, match=r"shape \(2, 4800\), expected log-mel \(B, frames, bins\)"):
        audio_resnet(18)(tf.zeros((2, 4800)))
