"""Two scores on the same clips: how much better is one, and could that be luck."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.stats

from brave_tf.evaluation.metrics.scores import bootstrap_interval


@dataclasses.dataclass(frozen=True)
class Difference:
    """The difference of two scores, each the mean of one value per clip.

    Attributes:
      value: the first score minus the second, in [-1, 1].
      interval: its 95 % bootstrap interval over clips.
      p: how often a difference at least as large, to either side, comes about when a coin decides for each
        clip which score has which value.
      clips: how many were compared.
    """

    value: float
    interval: tuple[float, float]
    p: float
    clips: int


def difference(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Difference:
    """Compares the hits of two classifiers on the same clips.

    Where all are 0 or 1, `p` is that of the exact test of McNemar (Psychometrika, 1947; Dietterich, Neural
    Computation, 1998), which looks at the clips that one of the two gets right. Other values, such as chances
    where classes are tied, are compared by random changes of sign (Fisher's randomization test), 10,000 of
    them where there are more.

    Args:
      first: (clips,) bool or float in [0, 1].
      second: (clips,) likewise, of the same clips in the same order.
      seed: of the resampling.

    Raises:
      ValueError: the shapes differ, or there are no clips.
    """
    first, second = (np.asarray(each, np.float64) for each in (first, second))
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(
            f"hits of shapes {first.shape} and {second.shape}: expected (clips,) twice"
        )
    gaps = first - second
    return Difference(float(gaps.mean()), bootstrap_interval(gaps, seed), _p(gaps, seed), len(gaps))


def _p(gaps: np.ndarray, seed: int) -> float:
    unequal = gaps[gaps != 0]
    if not len(unequal):
        return 1.0
    if np.all(np.abs(unequal) == 1):
        return float(scipy.stats.binomtest(int((unequal > 0).sum()), len(unequal)).pvalue)
    found = scipy.stats.permutation_test(
        (unequal, np.zeros_like(unequal)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=10_000,
        random_state=seed,
    )
    return float(found.pvalue)
