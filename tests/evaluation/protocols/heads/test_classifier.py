"""Logits of the linear layer and the MLP against plain numpy."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import preprocessing

from brave_tf.evaluation.protocols.heads.classifier import Classifier, normalization_layer

FEATURES = np.random.default_rng(0).normal(2, 3, (40, 6)).astype(np.float32)
NORMALIZED = {
    "standardize": (FEATURES - FEATURES.mean(0)) / FEATURES.std(0),
    "l2": FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True),
    "none": FEATURES,
}


def classifier(kind="none", **options):
    """A classifier whose weights are random, those of the last layer too."""
    layer = normalization_layer(kind, preprocessing.StandardScaler().fit(FEATURES))
    model = Classifier(layer, 6, [0.5, -1.0, 0.0], **options)
    kernel = np.random.default_rng(1).normal(size=model.logits.kernel.shape)
    model.logits.kernel.assign(kernel)
    return model


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", list(NORMALIZED))
def test_a_linear_layer(kind, policy):
    tf.keras.mixed_precision.set_global_policy(policy)
    model = classifier(kind)
    expected = NORMALIZED[kind] @ model.logits.kernel.numpy() + [0.5, -1.0, 0.0]
    np.testing.assert_allclose(model(FEATURES), expected, rtol=1e-4, atol=1e-5)
    assert len(model.trainable_variables) == 2


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e25])
@pytest.mark.parametrize("kind", ["standardize", "l2"])
def test_features_of_any_size_are_normalised_alike(kind, scale):
    features = FEATURES * np.float32(scale)
    layer = normalization_layer(kind, preprocessing.StandardScaler().fit(features))
    np.testing.assert_allclose(layer(features), NORMALIZED[kind], rtol=1e-4, atol=1e-5)


def test_a_feature_that_is_constant_is_centred_alone():
    features = FEATURES.copy()
    features[:, 2] = 7.25
    layer = normalization_layer("standardize", preprocessing.StandardScaler().fit(features))
    np.testing.assert_array_equal(layer(features)[:, 2], np.zeros(40))
    np.testing.assert_array_equal(layer(features[:1] * 0 + 8.25)[:, 2], [1.0])


def test_hidden_layers_have_a_relu():
    model = classifier(hidden=(5, 4))
    x = FEATURES
    for layer in model.hidden:
        x = np.maximum(x @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    expected = x @ model.logits.kernel.numpy() + [0.5, -1.0, 0.0]
    np.testing.assert_allclose(model(FEATURES), expected, rtol=1e-4, atol=1e-5)
    assert [layer.units for layer in model.hidden] == [5, 4]


def test_dropout_of_a_seed_keeps_the_mean():
    model = classifier(hidden=(8,), dropout=0.5)
    kept = model(FEATURES).numpy()
    dropped = [model(FEATURES, tf.constant([0, step])).numpy() for step in range(400)]
    np.testing.assert_array_equal(model(FEATURES, tf.constant([0, 3])), dropped[3])
    assert not np.array_equal(dropped[3], dropped[4])
    error = np.abs(np.mean(dropped, 0) - kept) / (np.std(dropped, 0) / np.sqrt(400) + 1e-6)
    assert error.mean() < 1.2  # of a normal deviate: 0.8


def test_weights_are_those_of_the_seed():
    first, same, other = (classifier(hidden=(3,), seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.hidden[0].kernel, same.hidden[0].kernel)
    assert not np.array_equal(first.hidden[0].kernel, other.hidden[0].kernel)
    untouched = Classifier(normalization_layer("none", None), 6, [0.5, -1.0, 0.0], (3,))
    np.testing.assert_array_equal(untouched(FEATURES), np.tile([[0.5, -1.0, 0.0]], (40, 1)))


def test_a_batch_normalisation_of_unit_features_is_trained():
    model = classifier("l2_batch_norm")
    unit, seed = NORMALIZED["l2"], tf.constant([0, 1])
    deviation = np.sqrt(unit.var(0) + 1e-5)
    kernel, bias = model.logits.kernel.numpy(), [0.5, -1.0, 0.0]
    expected = (unit - unit.mean(0)) / deviation @ kernel + bias
    np.testing.assert_allclose(model(FEATURES, seed), expected, rtol=1e-4, atol=1e-4)
    assert len(model.trainable_variables) == 4
    # Outside of training it goes by its averages, a tenth of the way from 0 and 1 to those of the batch.
    mean, variance = 0.1 * unit.mean(0), 0.9 + 0.1 * unit.var(0, ddof=1)
    expected = (unit - mean) / np.sqrt(variance + 1e-5) @ kernel + bias
    np.testing.assert_allclose(model(FEATURES), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(model(FEATURES), model(FEATURES))
