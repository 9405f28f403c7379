"""Classifiers on features against scikit-learn, and what is chosen by held-out clips."""

import dataclasses

import feature_parts
import numpy as np
import pytest
import tensorflow as tf
from sklearn import linear_model

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.evaluation.protocols.heads.training import HeadTraining, logits
from brave_tf.evaluation.protocols.linear_layer import LinearLayerTraining
from brave_tf.evaluation.protocols.mlp import MlpTraining
from brave_tf.evaluation.protocols.trained_heads import Head, train_head
from brave_tf.training.optimizers.adam import adamw
from brave_tf.training.optimizers.schedules import warmup_cosine
from brave_tf.training.optimizers.sgd import sgd


class Training(HeadTraining):
    binding = "some_training"


def training(**changes):
    values = {"epochs": 300, "batch_size": 100, "learning_rate": 0.5, "weight_decay": 0.01}
    return Training(**{**values, "optimizer": sgd, **changes})


def data(clips=60, classes=3, size=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(clips) % classes
    centers = rng.normal(size=(classes, size))
    return (2 * centers[labels] + rng.normal(size=(clips, size))).astype(np.float32) * 3 + 1, labels


def several_labels(features, seed=1):
    rng = np.random.default_rng(seed)
    values = features @ rng.normal(size=(features.shape[1], 3)) + rng.normal(
        size=(len(features), 3)
    )
    return values > np.quantile(values, 0.6, axis=0)


def fit(features, labels, settings, num_classes=3, **options):
    parts = [feature_parts.parts(features, labels, (20, len(labels) - 20))]
    fitted, _ = train_head(parts, num_classes, Head("head", settings, **options))
    return fitted


def standardised(features):
    return (features - features.mean(0)) / features.std(0)


def test_a_linear_layer_is_the_solution_of_multinomial_logistic_regression():
    features, labels = data()
    fitted = fit(features, labels, training())
    # The mean loss and weight_decay / 2 of the squared weights; scikit-learn's loss is C times the sum.
    exact = linear_model.LogisticRegression(C=1 / (0.01 * len(labels)), tol=1e-8, max_iter=1000)
    exact.fit(standardised(features), labels)
    found = tf.nn.softmax(logits(fitted.classifier, features)).numpy()
    np.testing.assert_allclose(found, exact.predict_proba(standardised(features)), atol=2e-4)
    np.testing.assert_allclose(fitted.classifier.logits.kernel, exact.coef_.T, atol=2e-3)


def test_a_layer_of_several_labels_is_logistic_regression_of_each():
    features, _ = data()
    labels = several_labels(features)
    fitted = fit(features, labels, training(), several_labels=True)
    found = tf.sigmoid(logits(fitted.classifier, features)).numpy()
    for label in range(3):
        exact = linear_model.LogisticRegression(C=1 / (0.01 * len(labels)), tol=1e-8, max_iter=1000)
        exact.fit(standardised(features), labels[:, label])
        expected = exact.predict_proba(standardised(features))[:, 1]
        np.testing.assert_allclose(found[:, label], expected, atol=2e-4)


def test_batches_reach_the_same_solution_as_all_clips_at_once():
    features, labels = data(clips=120)
    whole = fit(features, labels, training(batch_size=200))
    batches = fit(features, labels, training(batch_size=16, learning_rate=0.1, epochs=100))
    at_once, streamed = (logits(f.classifier, features) for f in (whole, batches))
    np.testing.assert_allclose(streamed, at_once, atol=0.1)


def test_an_mlp_learns_what_no_linear_layer_can():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 2)).astype(np.float32)
    labels = (features[:, 0] * features[:, 1] > 0).astype(np.int64)
    settings = training(epochs=120, optimizer=adamw, learning_rate=0.02, batch_size=50)
    accuracies = []
    for hidden in ((), (32,)):
        fitted = fit(features, labels, settings, 2, hidden=hidden, dropout=0.1 if hidden else 0.0)
        accuracies.append((logits(fitted.classifier, features).argmax(1) == labels).mean())
    linear, mlp = accuracies
    assert linear < 0.7
    assert mlp > 0.93


def test_logits_start_at_the_frequencies_of_labels():
    features, _ = data()
    labels = np.zeros((60, 3), bool)
    labels[:15, 0] = True
    fitted = fit(features, labels, training(learning_rate=1e-9, epochs=1), several_labels=True)
    start = tf.sigmoid(logits(fitted.classifier, features)).numpy()
    np.testing.assert_allclose(
        start, np.broadcast_to([16 / 62, 1 / 62, 1 / 62], (60, 3)), rtol=1e-5
    )


@pytest.mark.parametrize("hidden", [(), (5, 4)])
def test_the_seed_alone_decides(hidden):
    features, labels = data()
    settings = training(epochs=3, batch_size=16)
    options = {"hidden": hidden, "dropout": 0.5}
    weights = [
        fit(features, labels, dataclasses.replace(settings, seed=seed), **options).classifier
        for seed in (0, 0, 1)
    ]
    first, again, other = (classifier.get_weights() for classifier in weights)
    for one, two in zip(first, again):
        np.testing.assert_array_equal(one, two)
    assert any(not np.array_equal(one, two) for one, two in zip(first, other))


def test_candidates_side_by_side_are_those_trained_alone():
    features, labels = data()
    rates = (0.3, 0.03)
    choosing = fit(
        features, labels, training(learning_rate=rates, weight_decay=[0.0, 0.1], epochs=5)
    )
    scores = {(rate, decay): score for rate, decay, score in choosing.settings["held_out_scores"]}
    assert list(scores) == [(0.3, 0.0), (0.3, 0.1), (0.03, 0.0), (0.03, 0.1)]
    chosen = choosing.settings["learning_rate"], choosing.settings["weight_decay"]
    assert scores[chosen] == max(scores.values())
    assert choosing.settings["held_out_clips"] == 6
    alone = training(learning_rate=chosen[0], weight_decay=chosen[1], epochs=5)
    for one, two in zip(
        choosing.classifier.get_weights(), fit(features, labels, alone).classifier.get_weights()
    ):
        np.testing.assert_array_equal(one, two)


def test_held_out_clips_are_not_trained_on():
    # Labels are random: of clips that it was trained on, such a layer knows the class.
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 200)).astype(np.float32)
    labels = rng.permutation(np.arange(80) % 8)
    settings = training(epochs=40, learning_rate=(0.5, 0.4), weight_decay=0.0, held_out=0.3)
    fitted = fit(features, labels, settings, 8)
    assert (logits(fitted.classifier, features).argmax(1) == labels).all()
    assert max(score for *_, score in fitted.settings["held_out_scores"]) < 0.4


def test_a_choice_for_several_labels_is_by_map():
    features, _ = data(clips=200)
    labels = several_labels(features)
    # With so low a rate the layer stays where it starts, where no clip is before another one.
    settings = training(epochs=20, learning_rate=(1e-12, 0.1), weight_decay=0.0, held_out=0.4)
    fitted = fit(features, labels, settings, several_labels=True)
    assert fitted.settings["learning_rate"] == 0.1
    (*_, low), (*_, high) = fitted.settings["held_out_scores"]
    assert low < 0.6 < high


def test_rates_that_diverge_are_not_chosen_and_named_when_there_is_no_other():
    features, labels = data()
    huge = {"optimizer": sgd, "weight_decay": 0.1, "epochs": 30}
    fitted = fit(features, labels, training(**huge, learning_rate=(1e30, 0.1)))
    assert fitted.settings["learning_rate"] == 0.1
    assert fitted.settings["held_out_scores"][0] == [1e30, 0.1, None]
    with pytest.raises(UserError, match="learning rate of 1e.30: bind a lower some_training.learn"):
        fit(features, labels, training(**huge, learning_rate=1e30))


@pytest.mark.parametrize("kind", [LinearLayerTraining, MlpTraining])
def test_bindings_of_the_models_recipe_do_not_reach_a_classifier(kind):
    features, labels = data()
    settings = {"epochs": 2, "batch_size": 30, "learning_rate": 0.1}
    expected = fit(features, labels, kind(**settings)).classifier.get_weights()
    names = ("sgd", "adamw")
    of_recipe = [f"{name}.multipliers = {{'predictor/': 10.0}}" for name in names]
    config.load_config([], [*of_recipe, "sgd.momentum = 0.1", "warmup_cosine.final = 9.0"])
    found = fit(features, labels, kind(**settings)).classifier.get_weights()
    for one, two in zip(expected, found):
        np.testing.assert_array_equal(one, two)


def test_the_schedule_is_given_the_steps_of_the_run():
    features, labels = data()
    asked = []

    def schedule(**arguments):
        asked.append(arguments)
        return warmup_cosine(**arguments)

    settings = training(schedule=schedule, epochs=4, batch_size=16, warmup_epochs=0.5)
    fit(features, labels, settings)
    assert asked == [{"peak": 0.5, "warmup_steps": 2, "total_steps": 16}]


def test_no_clip_to_hold_out():
    features, labels = data()
    with pytest.raises(UserError, match="some_training.held_out = 0.001: 0 of 60 training clips"):
        fit(features, labels, training(learning_rate=(1.0, 2.0), held_out=0.001))


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"batch_size": 1.5},
        {"learning_rate": 0},
        {"learning_rate": ()},
        {"learning_rate": "fast"},
        {"weight_decay": (0.1, -1)},
        {"held_out": 1},
        {"rows_in_memory": -1},
        {"seed": -1},
        {"warmup_epochs": 300},
    ],
)
def test_numbers_that_cannot_be_used(settings):
    (name,) = settings
    with pytest.raises(UserError, match=rf"some_training\.{name} = .*: expected"):
        training(**settings)
