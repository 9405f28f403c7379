"""The kNN protocol: nearest training clips vote for the class of a test clip.

A vote counts exp(cosine / temperature) (Wu et al., "Unsupervised Feature Learning via Non-Parametric
Instance Discrimination", CVPR 2018, section 3.4), with the k = 20 and temperature of 0.07 of the
published evaluations of DINO (Caron et al., ICCV 2021).
"""

from __future__ import annotations

import gin
import numpy as np

from brave_tf.errors import UserError
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.protocols.classes import class_names, count_classes
from brave_tf.evaluation.protocols.frozen_features import open_bank, outcome
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.neighbours import neighbour_columns
from brave_tf.evaluation.protocols.outcome import Outcome, Predictions
from brave_tf.evaluation.protocols.train_windows import (
    AUGMENTED,
    check_train_windows,
    train_features,
)
from brave_tf.evaluation.protocols.votes import votes


@gin.configurable
def knn(
    probe: Probe,
    data_dir: str,
    train_split: str = "train",
    test_split: str = "test",
    k: int = 20,
    temperature: float = 0.07,
    train_windows: str = AUGMENTED,
    seed: int = 0,
) -> Outcome:
    """Classifies each test clip by its nearest training clips; each clip is the mean of its features.

    Args:
      probe: the frozen backbone.
      data_dir: folder of prepared records, or media files.
      train_split: split whose clips vote.
      test_split: split that is scored.
      k: how many vote.
      temperature: of the votes, above 0; the lower, the more the nearest count.
      train_windows: which windows of the training clips are averaged, see `train_features`.
      seed: of the interval.

    Returns:
      `top1` and `top5` with their 95 % bootstrap intervals over test clips.

    Raises:
      UserError: before any feature is computed, for settings and splits that cannot be used.
    """
    if not isinstance(k, int) or k < 1:
        raise UserError(f"knn.k = {k!r}: expected a whole number above 0.")
    if not temperature > 0:
        raise UserError(f"knn.temperature = {temperature!r}: expected a number above 0.")
    check_train_windows("knn", train_windows)
    bank = open_bank(probe, data_dir, train_split, test_split)
    train, test = train_features(bank, train_split, train_windows), bank.test(test_split)
    classes = count_classes(bank, train.labels)
    cast = votes(train.mean, train.labels, test.mean, classes, k, temperature)
    hits = cast.top_hits(test.labels)
    return outcome(
        bank,
        train,
        test,
        hits,
        {
            "train_split": train_split,
            "test_split": test_split,
            "k": k,
            "temperature": temperature,
            "train_windows": train_windows,
        },
        Predictions(
            test.keys,
            test.labels,
            test.paths,
            cast.decisions(),
            class_names(bank, classes),
            **neighbour_columns(train, test),
        ),
        seed,
    )


def knn_decisions(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
) -> np.ndarray:
    """Returns the logarithm of the share of the votes that each class gets.

    Training clips that are as near as the k-th one share the places that are left; for the scores of such
    ties see `knn_hits`.

    Args:
      train_features: (clips, D) float.
      train_labels: (clips,) integers below `num_classes`.
      test_features: (test clips, D) float.
      num_classes: how many classes there are.
      k: how many vote; at most all do.
      temperature: of the votes.

    Returns:
      (test clips, num_classes) float32, at most 0; -inf for a class without a vote.

    Raises:
      UserError: a feature is NaN or infinite.
    """
    arguments = (train_features, train_labels, test_features, num_classes, k, temperature)
    return votes(*arguments).decisions()


def knn_hits(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    k: int = 20,
    temperature: float = 0.07,
) -> dict[str, np.ndarray]:
    """Returns `top1` and `top5` of each test clip.

    Where training clips are as near as the k-th one, those that vote are drawn at random among them, and the
    values are means over all draws.

    Args:
      train_features: (clips, D) float.
      train_labels: (clips,) integers from 0.
      test_features: (test clips, D) float.
      test_labels: (test clips,) integers from 0.
      k: how many vote; at most all do.
      temperature: of the votes.

    Returns:
      Metric -> (test clips,) float64 in [0, 1].

    Raises:
      UserError: a feature is NaN or infinite.
    """
    classes = int(max(train_labels.max(), test_labels.max())) + 1
    cast = votes(train_features, train_labels, test_features, classes, k, temperature)
    return cast.top_hits(test_labels)


KNN = Kind("knn", knn, "nearest neighbours' votes on frozen features", ("top1", "top5"))
