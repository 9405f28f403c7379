"""The linear SVM against its optimality conditions and explicit loops."""

import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.evaluation.protocols import svm


def random_features(clips=120, classes=3, size=6, seed=0, windows=None):
    """Clips around a center of their class, (clips, size) or (clips, windows, size); and their classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(clips) % classes
    centers = rng.normal(size=(classes, size))
    shape = (clips, size) if windows is None else (clips, windows, size)
    noise = rng.normal(size=shape)
    of_class = centers[labels] if windows is None else centers[labels][:, None]
    return (of_class + noise).astype(np.float32) * 7 + 3, labels


@pytest.mark.parametrize("size", [6, 200])
def test_the_fitted_weights_are_the_optimum_of_the_squared_hinge_problem(size):
    features, labels = random_features(size=size)
    penalty = 0.02
    classifier = svm.fit(features, labels, penalty, seed=0)
    svc = classifier[-1]
    standardised = (features - features.mean(0)) / features.std(0)
    inputs = np.concatenate([standardised, np.ones((len(labels), 1))], 1)
    weights = np.concatenate([svc.coef_, svc.intercept_[:, None]], 1)
    for label in range(3):
        signs = np.where(labels == label, 1, -1)
        slack = np.maximum(0, 1 - signs * (inputs @ weights[label]))
        gradient = weights[label] - 2 * penalty * (slack * signs) @ inputs
        scale = np.abs(2 * penalty * (slack * np.abs(signs)) @ np.abs(inputs)).max()
        assert np.abs(gradient).max() < 2e-3 * scale


def test_a_solver_that_does_not_end_is_told(monkeypatch, caplog, recwarn):
    monkeypatch.setattr(svm, "_ITERATIONS", 1)
    features, labels = random_features(size=200)
    svm.fit(features, labels, 1.0, seed=0)
    (record,) = caplog.records
    for part in ("did not converge in 1 iterations with C = 1", "bind a lower linear_svm.C"):
        assert part in record.getMessage()
    assert not recwarn.list
    monkeypatch.undo()
    svm.fit(features, labels, 1e-4, seed=0)
    assert len(caplog.records) == 1


def test_features_that_are_constant_say_nothing():
    features, labels = random_features()
    constant = np.concatenate([features, np.full((120, 1), 14.62, np.float32)], axis=1)
    expected = svm.decisions(svm.fit(features, labels, 0.1, seed=0), features, 3)
    classifier = svm.fit(constant, labels, 0.1, seed=0)
    np.testing.assert_allclose(svm.decisions(classifier, constant, 3), expected, atol=1e-3)
    constant[:, -1] += 1e-5
    np.testing.assert_allclose(svm.decisions(classifier, constant, 3), expected, atol=1e-3)


def test_decisions_of_mean_features_are_the_mean_of_the_crops_decisions():
    features, labels = random_features()
    classifier = svm.fit(features, labels, 0.1, seed=0)
    crops = random_features(clips=40, seed=1)[0].reshape(10, 4, -1)
    of_crops = svm.decisions(classifier, crops.reshape(40, -1), 3).reshape(10, 4, -1)
    of_means = svm.decisions(classifier, crops.mean(1), 3)
    np.testing.assert_allclose(of_means, of_crops.mean(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 5])
def test_classes_have_columns_of_their_own(classes):
    features, labels = random_features(classes=classes)
    classifier = svm.fit(features, labels * 2, 0.1, seed=0)
    values = svm.decisions(classifier, features, 2 * classes)
    assert values.shape == (120, 2 * classes)
    assert np.isneginf(values[:, 1::2]).all()
    np.testing.assert_array_equal(values.argmax(1), classifier.predict(features))
    expected = classifier.decision_function(features)
    np.testing.assert_allclose(values[:, ::2][:, -1], expected.reshape(120, -1)[:, -1], rtol=1e-5)


def test_the_penalty_is_that_of_the_best_held_out_clips():
    features, labels = random_features(clips=60, windows=4, size=5)
    features += np.random.default_rng(1).normal(
        0, 10, (60, 1, 5)
    )  # clips differ, not windows alone
    candidates = [1.0, 1e-6, 1e-3]
    chosen, accuracies = svm.choose_penalty(features, labels, candidates, seed=3)
    folds = svm._stratified_folds(labels, 5, seed=3)
    expected = []
    for candidate in sorted(candidates):
        hits = 0
        for fold in range(5):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            windows = np.concatenate([features[clip] for clip in train])
            classifier = svm.fit(windows, np.repeat(labels[train], 4), candidate, seed=3)
            for clip in test:
                decided = classifier.decision_function(features[clip].mean(0, keepdims=True))
                hits += decided.argmax() == labels[clip]
        expected.append(hits / 60)
    np.testing.assert_allclose(accuracies, expected)
    assert chosen == sorted(candidates)[int(np.argmax(expected))]
    assert len(set(expected)) > 1


def test_of_equal_penalties_the_lowest_is_chosen():
    labels = np.arange(20) % 2
    features = np.repeat(np.where(labels, 1.0, -1.0)[:, None, None], 3, axis=2)
    assert svm.choose_penalty(features, labels, [1.0, 0.1, 10.0], 0) == (0.1, [1.0] * 3)


@pytest.mark.parametrize("count", [2, 5])
def test_folds_share_out_every_class(count):
    labels = np.random.default_rng(0).integers(0, 4, 61)
    folds = svm._stratified_folds(labels, count, seed=1)
    for label in range(4):
        sizes = np.bincount(folds[labels == label], minlength=count)
        assert sizes.max() - sizes.min() <= 1
    assert not np.array_equal(folds, svm._stratified_folds(labels, count, seed=2))


def test_a_class_of_one_clip_cannot_be_cross_validated():
    with pytest.raises(UserError, match="a class has one training clip"):
        svm.choose_penalty(np.zeros((5, 1, 2)), np.array([0, 0, 1, 1, 2]), [0.1, 1.0], 0)
