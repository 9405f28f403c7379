"""The retrieval protocol: test clips query the training clips.

A query is answered when one of the k nearest training clips is of its class (R@k, as in Buechler et al.,
"Improving Spatiotemporal Self-Supervision by Deep Reinforcement Learning", ECCV 2018, and since).
"""

from __future__ import annotations

from collections.abc import Sequence

import gin
import numpy as np

from brave_tf.errors import UserError
from brave_tf.evaluation.class_protocol import open_bank, outcome
from brave_tf.evaluation.families import Kind
from brave_tf.evaluation.neighbours import (
    AUGMENTED,
    check_train_windows,
    nearest,
    neighbour_columns,
    train_features,
)
from brave_tf.evaluation.probe import Outcome, Predictions, Probe

KS = (1, 5, 10, 20, 50)


@gin.configurable
def retrieval(
    probe: Probe,
    data_dir: str,
    train_split: str = "train",
    test_split: str = "test",
    ks: Sequence[int] = KS,
    train_windows: str = AUGMENTED,
    seed: int = 0,
) -> Outcome:
    """Ranks the training clips for each test clip by the cosine of their mean features.

    Args:
      probe: the frozen backbone.
      data_dir: folder of prepared records, or media files.
      train_split: split that is searched.
      test_split: split of the queries.
      ks: how many of the nearest count; each gives a metric.
      train_windows: which windows of the training clips are averaged, see `train_features`.
      seed: of the intervals.

    Returns:
      `R@k` for each k, with 95 % bootstrap intervals over test clips.

    Raises:
      UserError: before any feature is computed, for settings and splits that cannot be used.
    """
    ks = list(ks) if isinstance(ks, (list, tuple)) else []
    if not ks or not all(isinstance(k, int) and k > 0 for k in ks):
        raise UserError(f"retrieval.ks = {ks!r}: expected a list of whole numbers above 0.")
    check_train_windows("retrieval", train_windows)
    bank = open_bank(probe, data_dir, train_split, test_split)
    train, test = train_features(bank, train_split, train_windows), bank.test(test_split)
    indices, similarities = nearest(train.mean, test.mean, max(ks))
    hits = recalls(train.labels[indices], test.labels, ks)
    hits = {f"R@{k}": values for k, values in hits.items()}
    return outcome(
        bank,
        train,
        test,
        hits,
        {
            "train_split": train_split,
            "test_split": test_split,
            "ks": ks,
            "train_windows": train_windows,
        },
        Predictions(
            test.keys,
            test.labels,
            test.paths,
            **neighbour_columns(train, indices, similarities),
        ),
        seed,
    )


def recalls(
    neighbour_labels: np.ndarray, labels: np.ndarray, ks: Sequence[int]
) -> dict[int, np.ndarray]:
    """Returns for each k whether one of the k nearest is of the query's class, (queries,) bool.

    Args:
      neighbour_labels: (queries, n) integers, the labels of the neighbours, the nearest first.
      labels: (queries,) integers.
      ks: how many count; with fewer neighbours, all do.
    """
    same = neighbour_labels == labels[:, None]
    return {k: same[:, :k].any(axis=1) for k in ks}


RETRIEVAL = Kind(
    "retrieval", retrieval, "retrieval of training clips by cosine", tuple(f"R@{k}" for k in KS)
)
