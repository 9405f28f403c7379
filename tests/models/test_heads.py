import re

import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.interop.deepmind.weights import load_haiku
from brave_tf.models.heads import predictor, projector


@pytest.fixture(scope="module")
def reference_heads(golden_dir):
    checkpoint = reference.recipe(golden_dir).make_checkpoint(
        str(golden_dir / "spec_v_a_1x.json"), ["shared_project"]
    )
    models = {"projector": projector(2048), "predictor": predictor(128)}
    for name, model in models.items():
        load_haiku(model, checkpoint["params"], checkpoint["state"], f"shared_project/{name}")
    return models["projector"], models["predictor"]


@pytest.mark.parametrize(
    ("key", "training", "tolerance"), [("eval", False, 1e-5), ("train_first", True, 1e-4)]
)
def test_heads_agree_with_reference(golden_dir, reference_heads, key, training, tolerance):
    golden, cases = reference.values(golden_dir, "forward_train_1x")
    first = cases["project"]["first"]
    features = reference.recipe(golden_dir).features_input(first["seed"], first["shape"])
    project, predict = reference_heads
    weights = project.get_weights(), predict.get_weights()
    z = project(features, training=training)
    h = predict(z, training=training)
    project.set_weights(weights[0])
    predict.set_weights(weights[1])
    assert reference.error(z.numpy(), golden[f"project/{key}/z_f64"]) < tolerance
    assert reference.error(h.numpy(), golden[f"project/{key}/h_f64"]) < tolerance


def test_sizes():
    assert projector(2048).count_params() == 2048 * 4096 + 4096 * 5 + 4096 * 128 + 128 * 5
    assert predictor(128).count_params() == 128 * 4096 + 4096 * 5 + 4096 * 128 + 128
    assert projector(64, hidden=32, output=16).output_shape == (None, 16)
    assert predictor(16, hidden=32).output_shape == (None, 16)
    assert predictor(16, hidden=32, output=8).output_shape == (None, 8)


def test_names_of_variables_tell_the_head_inside_a_model():
    class Pair(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.project = projector(8, hidden=16, output=4, name="narrow_projector")
            self.predict_ = predictor(4, hidden=16, name="narrow_predictor")

        def call(self, x):
            return self.predict_(self.project(x))

    model = Pair()
    model(tf.zeros((2, 8)))
    names = [v.name for v in model.trainable_variables]
    assert sum(bool(re.search("projector/", name)) for name in names) == 8
    assert sum(bool(re.search("predictor/", name)) for name in names) == 6
    assert len(names) == len(set(names)) == 14


def test_projections_are_normalised_over_the_batch():
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("f4")
    z = projector(8, hidden=32, output=4)(x, training=True).numpy()
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(0), 1, atol=1e-2)


def test_outputs_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    z = projector(8, hidden=16, output=4)(tf.ones((2, 8)))
    assert z.dtype == tf.float32
    assert predictor(4, hidden=16)(z).dtype == tf.float32
