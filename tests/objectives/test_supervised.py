"""The supervised baseline against plain numpy."""

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives import base
from brave_tf.objectives.supervised import Supervised


def make(num_classes=3, **arguments):
    tf.keras.utils.set_random_seed(0)
    return Supervised({"narrow": dense_backbone(4, 5)}, num_classes, **arguments)


def test_cross_entropy_and_accuracy_over_labelled_clips_equal_numpy():
    objective = make()
    objective.compile(tf.keras.optimizers.SGD(0.0))
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    labels = np.array([0, 2, -1, 1, -1, 2])
    logs = objective.train_on_batch({"narrow": x, "label": labels}, return_dict=True)
    features = objective.backbones["narrow"](x).numpy()
    logits = objective.classifiers["narrow"](features).numpy()
    log_softmax = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    known = labels >= 0
    loss = -np.mean(log_softmax[known, labels[known]])
    accuracy = np.mean(logits.argmax(-1)[known] == labels[known])
    np.testing.assert_allclose(logs["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(logs["accuracy/narrow"], accuracy, rtol=1e-5)


def test_a_batch_without_labels_gives_no_gradient():
    objective = make()
    objective.compile(tf.keras.optimizers.SGD(0.5))
    before = [w.numpy() for w in objective.weights]
    batch = {"narrow": np.ones((2, 4), np.float32), "label": np.array([-1, -1])}
    logs = objective.train_on_batch(batch, return_dict=True)
    assert list(objective.figures(logs)) == [base.GRADIENT_NORM]  # means over no clip are none
    for weight, old in zip(objective.weights, before):
        np.testing.assert_array_equal(weight.numpy(), old)


def test_means_of_an_interval_are_over_its_labelled_clips():
    objective = make()
    objective.compile(tf.keras.optimizers.SGD(0.0))
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    labels = np.array([0, 2, 1, 1, -1, -1, -1, -1, -1])
    for part in np.split(np.arange(9), 3):  # three, one and no labelled clips
        logs = objective.train_on_batch(
            {"narrow": x[part], "label": labels[part]}, reset_metrics=False, return_dict=True
        )
    logits = objective.classify("narrow", x).numpy()[:4]
    losses = np.log(np.exp(logits).sum(-1)) - logits[np.arange(4), labels[:4]]
    np.testing.assert_allclose(logs["loss"], losses.mean(), rtol=1e-5)
    right = logits.argmax(-1) == labels[:4]
    np.testing.assert_allclose(logs["accuracy/narrow"], right.mean(), rtol=1e-6)


def test_classes_of_equal_logits_share_the_accuracy():
    objective = make(num_classes=4)
    objective.compile(tf.keras.optimizers.SGD(0.0))
    bias = objective.classifiers["narrow"].bias
    bias.assign([0.0, 1.0, 1.0, 0.0])  # the only logits of clips without features
    batch = {"narrow": np.zeros((3, 4), np.float32), "label": np.array([0, 1, 2])}
    logs = objective.train_on_batch(batch, return_dict=True)
    np.testing.assert_allclose(logs["accuracy/narrow"], (0 + 0.5 + 0.5) / 3, rtol=1e-6)


def test_smoothed_targets_equal_numpy():
    objective = make(label_smoothing=0.3)
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    labels = np.array([0, 2, 2, 1, 0, 2])
    logits = objective.classify("narrow", x).numpy()
    log_softmax = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    targets = 0.7 * np.eye(3)[labels] + 0.3 / 3
    terms = objective.terms({"narrow": tf.constant(x), "label": labels}, training=True)
    expected = -(targets * log_softmax).sum(-1)
    np.testing.assert_allclose(terms.losses["narrow_classification"], expected, rtol=1e-5)


def test_dropout_hides_features_from_the_classifier_in_training_alone():
    objective = make(dropout=0.5)
    x = tf.random.stateless_uniform((64, 4), (0, 0))
    batch = {"narrow": x, "label": tf.zeros(64, tf.int64)}
    kept, again, dropped = (objective.terms(batch, training) for training in (False, False, True))
    name = "narrow_classification"
    np.testing.assert_array_equal(kept.losses[name], again.losses[name])
    assert np.abs(kept.losses[name] - dropped.losses[name]).max() > 0.01
    tf.debugging.assert_equal(kept.features["narrow"], dropped.features["narrow"])


def test_the_classifier_can_be_named_in_multipliers():
    names = [variable.name for variable in make().trainable_variables]
    assert sum("narrow_classifier/" in name for name in names) == 2


@pytest.mark.parametrize("name", ["dropout", "label_smoothing"])
def test_shares_are_checked(name):
    with pytest.raises(errors.UserError, match=f"Supervised.{name} = 1.5"):
        make(**{name: 1.5})


def test_one_class_is_an_error():
    with pytest.raises(errors.UserError, match="num_classes = 1"):
        make(num_classes=1)


def test_replicas_with_unequally_many_labels_step_as_one():
    batch = {"narrow": np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)}
    batch["label"] = np.array([0, 2, 1, 1, -1, -1])
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas()):
        with strategy.scope():
            objective = make()
            objective.compile(tf.keras.optimizers.SGD(0.5))
        size = 6 // strategy.num_replicas_in_sync
        data = tf.data.Dataset.from_tensor_slices(batch).batch(size)
        shared = strategy.distribute_datasets_from_function(lambda _, data=data: data)
        loss = objective.fit(shared, steps_per_epoch=1, verbose=0).history["loss"]
        results.append([loss, *(weight.numpy() for weight in objective.trainable_weights)])
    for one, two in zip(*results):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)
