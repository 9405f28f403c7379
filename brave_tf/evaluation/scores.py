"""Scores of classifiers, and how sure they are."""

from __future__ import annotations

import numpy as np


def hits_at(k: int, decisions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns for each clip whether its class is among the `k` of highest decision value.

    Args:
      k: how many classes count; with fewer classes than that, every clip is a hit.
      decisions: (clips, classes) float, higher for likelier classes. Ties go to the lower class.
      labels: (clips,) integer columns of `decisions`.

    Returns:
      (clips,) bool.
    """
    clips, _ = decisions.shape
    if labels.shape != (clips,):
        raise ValueError(f"labels of shape {labels.shape} for {clips} clips")
    best = np.argsort(-decisions, axis=1, kind="stable")[:, :k]
    return (best == labels[:, None]).any(axis=1)


def bootstrap_interval(
    hits: np.ndarray, seed: int = 0, samples: int = 10_000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of an accuracy, over clips (Efron and Tibshirani, chapter 13).

    The number of hits among n clips drawn with replacement is binomial, so it is drawn as such.

    Args:
      hits: (clips,) bool.
      seed: of the resampling.
      samples: how many resamples.
      level: coverage of the interval.

    Returns:
      The low and the high end, fractions in [0, 1].
    """
    counts = np.random.default_rng(seed).binomial(len(hits), hits.mean(), size=samples)
    low, high = np.quantile(counts / len(hits), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
