"""The retrieval protocol: test clips query the training clips.

A query is answered when one of the k nearest training clips is of its class (R@k, as in Buechler et al.,
"Improving Spatiotemporal Self-Supervision by Deep Reinforcement Learning", ECCV 2018, and since).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import gin
import numpy as np
from scipy import stats

from brave_tf.errors import UserError
from brave_tf.evaluation.features.feature_bank import ClipFeatures
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.protocols.frozen_features import open_bank, outcome
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.neighbours import cosines, neighbour_columns
from brave_tf.evaluation.protocols.outcome import Outcome, Predictions
from brave_tf.evaluation.protocols.train_windows import (
    AUGMENTED,
    check_train_windows,
    train_features,
)

KS = (1, 5, 10, 20, 50)


@gin.configurable
def retrieval(
    probe: Probe,
    data_dir: str,
    train_split: str = "train",
    test_split: str = "test",
    ks: Sequence[int] = KS,
    train_windows: str = AUGMENTED,
    centre: bool = False,
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
      centre: whether the mean over the clips of its split is taken from a feature first (CoCLR), which makes
        what is found for a test clip depend on the others.
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
    if centre:
        train, test = centred(train), centred(test)
    hits = recalls(train.mean, train.labels, test.mean, test.labels, ks)
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
            **({"centre": True} if centre else {}),
        },
        Predictions(
            test.keys,
            test.labels,
            test.paths,
            **neighbour_columns(train, test),
        ),
        seed,
    )


def centred(clips: ClipFeatures) -> ClipFeatures:
    """Returns clips with the means of their features, (clips, 1, D), without the mean over all clips."""
    mean = clips.mean
    return dataclasses.replace(
        clips, features=(mean - mean.mean(axis=0, dtype=np.float64))[:, None]
    )


def recalls(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    features: np.ndarray,
    labels: np.ndarray,
    ks: Sequence[int],
) -> dict[int, np.ndarray]:
    """Returns for each k the chance that one of the k nearest training clips is of the query's class.

    That is 1 or 0, except where the nearest clips of the class and clips of others are equally near: those
    share the places that are left, as if they were drawn at random.

    Args:
      train_features: (clips, D) float.
      train_labels: (clips,) integers.
      features: (queries, D) float.
      labels: (queries,) integers.
      ks: how many count; with fewer training clips, all do.

    Returns:
      k -> (queries,) float64 in [0, 1].

    Raises:
      UserError: a feature is NaN or infinite.
    """
    ranks, first = [], 0
    for near in cosines(train_features, features):
        same = train_labels == labels[first : first + len(near), None]
        best = np.where(same, near, -np.inf).max(axis=1, keepdims=True)
        tied = near == best
        counts = (near > best, tied, tied & same)
        ranks.append(np.stack([each.sum(axis=1) for each in counts]))
        first += len(near)
    nearer, tied, own = np.concatenate(ranks, axis=1)
    # The chance that none of the class is among those that the places are given to.
    places = [np.clip(k - nearer, 0, tied) for k in ks]
    missed = [stats.hypergeom.pmf(0, np.maximum(tied, 1), own, each) for each in places]
    return {k: 1.0 - each for k, each in zip(ks, missed)}


RETRIEVAL = Kind(
    "retrieval", retrieval, "retrieval of training clips by cosine", tuple(f"R@{k}" for k in KS)
)
