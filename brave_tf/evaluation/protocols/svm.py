"""The linear protocol: a linear SVM on frozen features.

The defaults are those of the published BraVe evaluations: augmented windows, standardised features, C = 1e-4,
and decision values averaged over the test crops. For the windows, see `windows.EvalWindows`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import gin
import numpy as np
from absl import logging
from sklearn import exceptions, pipeline, preprocessing, svm

from brave_tf.errors import UserError
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.metrics import scores
from brave_tf.evaluation.protocols.classes import count_classes, predictions
from brave_tf.evaluation.protocols.frozen_features import open_bank, outcome
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.outcome import Outcome
from brave_tf.evaluation.protocols.train_windows import (
    AUGMENTED,
    check_train_windows,
    train_features,
)

CROSS_VALIDATION = "cross_validation"
CANDIDATES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_FOLDS = 5
_ITERATIONS = 10_000


@gin.configurable
def linear_svm(
    probe: Probe,
    data_dir: str,
    train_split: str = "train",
    test_split: str = "test",
    C: float | str | Sequence[float] = 1e-4,  # noqa: N803 (as in the literature and scikit-learn)
    train_windows: str = AUGMENTED,
    seed: int = 0,
) -> Outcome:
    """Trains a linear SVM on the training split's features and scores it on the test split.

    Args:
      probe: the frozen backbone.
      data_dir: folder of prepared records, or media files.
      train_split: split that the classifier is trained on; `a+b` for two.
      test_split: split that it is scored on. Its labels are used for the score alone.
      C: inverse strength of the SVM's regularisation; 'cross_validation' or a list of values to choose it
        from by cross-validation on the training split, see `choose_penalty`.
      train_windows: which windows of the training clips the SVM is fitted to, see `train_features`.
      seed: of the folds, the SVM and the interval.

    Returns:
      `top1` and `top5` with their 95 % bootstrap intervals over test clips.

    Raises:
      UserError: before any feature is computed, for settings and splits that cannot be used.
    """
    candidates = _candidates(C)
    check_train_windows("linear_svm", train_windows)
    check = _count_folds if len(candidates) > 1 else None
    bank = open_bank(probe, data_dir, train_split, test_split, check)
    train, test = train_features(bank, train_split, train_windows), bank.test(test_split)
    chosen, chosen_by = candidates[0], {}
    if len(candidates) > 1:
        chosen, accuracies = choose_penalty(train.features, train.labels, candidates, seed)
        chosen_by = {"C_candidates": candidates, "C_accuracies": accuracies}
        print(f"C = {chosen:g} by cross-validation on {train_split}", flush=True)
    classifier = fit(*_windows(train.features, train.labels), chosen, seed)
    # The decision values are affine in the features, so those of a clip's mean features are the
    # mean of its crops' decision values.
    values = decisions(classifier, test.mean, count_classes(bank, train.labels))
    hits = scores.top_hits(values, test.labels)
    return outcome(
        bank,
        train,
        test,
        hits,
        {
            "train_split": train_split,
            "test_split": test_split,
            "train_windows": train_windows,
            "C": chosen,
            **chosen_by,
        },
        predictions(bank, test, values),
        seed,
    )


def fit(features: np.ndarray, labels: np.ndarray, C: float, seed: int) -> pipeline.Pipeline:  # noqa: N803
    """Returns a StandardScaler and a one-vs-rest LinearSVC, fitted; warns if the solver did not end.

    Args:
      features: (windows, D) float32.
      labels: (windows,) integers of at least two classes.
      C: inverse strength of the regularisation.
      seed: of the dual solver.
    """
    # The primal problem is solved where it is the smaller one; both have the same solution.
    svc = svm.LinearSVC(C=C, dual="auto", random_state=seed, max_iter=_ITERATIONS)
    classifier = pipeline.make_pipeline(preprocessing.StandardScaler(), svc)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)  # told below, with advice
        classifier.fit(features, labels)
    if svc.n_iter_ >= _ITERATIONS:
        logging.warning(
            "the linear SVM did not converge in %d iterations with C = %g, so that its accuracy may be "
            "another with another seed: bind a lower linear_svm.C.",
            _ITERATIONS,
            C,
        )
    return classifier


def decisions(classifier: pipeline.Pipeline, features: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the decision values of all classes, (clips, num_classes) float32.

    Args:
      classifier: fitted to labels below `num_classes`; those that it has not seen get -inf.
      features: (clips, D) float32.
      num_classes: how many classes there are.
    """
    found = classifier.decision_function(features)
    if found.ndim == 1:  # of two classes, the value of the second
        found = np.stack([-found, found], axis=1)
    values = np.full((len(features), num_classes), -np.inf, np.float32)
    values[:, classifier.classes_] = found
    return values


def choose_penalty(
    features: np.ndarray, labels: np.ndarray, candidates: Sequence[float], seed: int
) -> tuple[float, list[float]]:
    """Chooses C by cross-validation: 5 folds of clips, each with its share of every class, or fewer where a
    class has fewer clips.

    All windows of a clip are in one fold; a held-out clip is classified by the mean of its windows.

    Args:
      features: (clips, windows, D) float32.
      labels: (clips,) integers.
      candidates: values of C.
      seed: of the folds and the SVM.

    Returns:
      The candidate of highest top-1 accuracy on held-out clips, the lowest of equals, and the accuracies.

    Raises:
      UserError: there is a class with one clip only.
    """
    folds = _stratified_folds(labels, _count_folds(labels), seed)
    candidates = sorted(candidates)
    hits = np.zeros((len(candidates), len(labels)))
    for fold in range(folds.max() + 1):
        held_out = folds == fold
        windows = _windows(features[~held_out], labels[~held_out])
        means = features[held_out].mean(axis=1)
        for row, candidate in zip(hits, candidates):
            values = decisions(fit(*windows, candidate, seed), means, int(labels.max()) + 1)
            row[held_out] = scores.hits_at(1, values, labels[held_out])
    accuracies = hits.mean(axis=1)
    return float(candidates[int(np.argmax(accuracies))]), accuracies.tolist()


def _count_folds(labels: np.ndarray) -> int:
    """Returns how many folds have clips of every class, at most 5.

    Raises:
      UserError: there are not two.
    """
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    if smallest < 2:
        raise UserError(
            "linear_svm.C cannot be chosen by cross-validation: a class has one training clip, and needs "
            "two. Bind a number."
        )
    return min(_FOLDS, smallest)


def _candidates(C: float | str | Sequence[float]) -> list[float]:  # noqa: N803
    values = CANDIDATES if C == CROSS_VALIDATION else C
    values = list(values) if isinstance(values, (list, tuple)) else [values]
    if not values or not all(isinstance(v, (int, float)) and v > 0 for v in values):
        raise UserError(
            f"linear_svm.C = {C!r}: expected a number above 0, a list of such, or '{CROSS_VALIDATION}'."
        )
    return sorted(values)


def _windows(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the windows of all clips, (clips * windows, D), and their labels."""
    return features.reshape(-1, features.shape[-1]), np.repeat(labels, features.shape[1])


def _stratified_folds(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Returns the fold of each clip, (clips,) integers: the clips of each class are dealt out in turn."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[order] = np.arange(len(labels)) % count
    return folds


LINEAR = Kind("linear", linear_svm, "linear SVM on frozen features", ("top1", "top5"))
