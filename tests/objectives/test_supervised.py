"""The supervised baseline against plain numpy."""

import numpy as np
import pytest
import tensorflow as tf
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives.supervised import Supervised


def make(num_classes=3):
    tf.keras.utils.set_random_seed(0)
    return Supervised({"narrow": dense_backbone(4, 5)}, num_classes)


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
    assert objective.train_on_batch(batch, return_dict=True)["loss"] == 0
    for weight, old in zip(objective.weights, before):
        np.testing.assert_array_equal(weight.numpy(), old)


def test_one_class_is_an_error():
    with pytest.raises(errors.UserError, match="num_classes = 1"):
        make(num_classes=1)
