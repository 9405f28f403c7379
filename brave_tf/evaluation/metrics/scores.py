"""Scores of classifiers, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

import numpy as np

from brave_tf.errors import UserError

TOPS = (1, 5)
_LEVEL = 0.95
# Indices of a resampling that are held at a time.
_CHUNK = 2**22


def hits_at(k: int, decisions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns for each clip the chance that its class is among the `k` of highest decision value.

    That is 1 or 0, except where other classes have the very value of the clip's own: those share the places
    that are left, as if they were drawn at random. Neither the order of the classes nor that of the clips
    matters.

    Args:
      k: how many classes count; with fewer classes than that, all that have a value do.
      decisions: (clips, classes) float, higher for likelier classes; -inf for a class that nothing speaks
        for, such as one without a vote, which is never a hit.
      labels: (clips,) integer columns of `decisions`.

    Returns:
      (clips,) float64 in [0, 1].

    Raises:
      ValueError: labels are not one column for each clip.
      UserError: a value is NaN or +inf.
    """
    clips, classes = decisions.shape
    if labels.shape != (clips,):
        raise ValueError(f"labels of shape {labels.shape} for {clips} clips")
    if clips and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels from {labels.min()} to {labels.max()} for {classes} classes")
    bad = (np.isnan(decisions) | np.isposinf(decisions)).any(axis=1)
    if bad.any():
        raise UserError(
            f"the decision values of {np.count_nonzero(bad)} of {clips} clips are NaN or infinite, which "
            "cannot be ranked: look for features that are too large, or bind a lower learning rate."
        )
    own = np.take_along_axis(decisions, labels[:, None], axis=1)
    above, tied = (decisions > own).sum(axis=1), (decisions == own).sum(axis=1)
    return np.where(np.isneginf(own[:, 0]), 0.0, np.clip((k - above) / tied, 0.0, 1.0))


def top_hits(decisions: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Returns `top1` and `top5`, see `hits_at`."""
    return {f"top{k}": hits_at(k, decisions, labels) for k in TOPS}


def with_intervals(per_clip: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, Any]:
    """Returns the mean of each metric over clips, and its 95 % bootstrap interval as `<name>_ci95`.

    Args:
      per_clip: metric -> (clips,) bool or float in [0, 1].
      seed: of the resampling.
    """
    means = {name: float(np.mean(values)) for name, values in per_clip.items()}
    intervals = {
        f"{name}_ci95": list(bootstrap_interval(values, seed)) for name, values in per_clip.items()
    }
    return {**means, **intervals}


def bootstrap_interval(
    hits: np.ndarray, seed: int = 0, samples: int = 10_000, level: float = _LEVEL
) -> tuple[float, float]:
    """Percentile bootstrap interval of an accuracy, over clips (Efron and Tibshirani, chapter 13).

    How often each value comes among n clips drawn with replacement is multinomial, so it is drawn as such.

    Args:
      hits: (clips,) bool or float in [0, 1].
      seed: of the resampling.
      samples: how many resamples.
      level: coverage of the interval.

    Returns:
      The low and the high end, fractions in [0, 1].
    """
    values, counts = np.unique(np.asarray(hits, np.float64), return_counts=True)
    rng, clips = np.random.default_rng(seed), len(hits)
    at_once = max(1, _CHUNK // len(values))
    sizes = [min(at_once, samples - first) for first in range(0, samples, at_once)]
    means = [rng.multinomial(clips, counts / clips, size) @ values / clips for size in sizes]
    return _ends(np.concatenate(means), level)


def bootstrap_statistic(
    statistic: Callable[[np.ndarray], float],
    clips: int,
    seed: int = 0,
    samples: int = 1000,
    level: float = _LEVEL,
) -> tuple[float, float]:
    """Percentile bootstrap interval of any figure of a set of clips.

    Args:
      statistic: indices of clips, (clips,) with repetitions -> the figure; those that are NaN are left out.
      clips: how many there are.
      seed: of the resampling.
      samples: how many resamples.
      level: coverage of the interval.

    Returns:
      The low and the high end.
    """
    rng = np.random.default_rng(seed)
    figures = np.array([statistic(rng.integers(0, clips, clips)) for _ in range(samples)])
    return _ends(figures[~np.isnan(figures)], level)


def bootstrap_over_splits(
    values: np.ndarray, seed: int = 0, samples: int = 2000, level: float = _LEVEL
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, over splits, of each split's mean over its test clips.

    Clips are drawn, not pairs of split and clip: a clip that several splits test is drawn for all of them.

    Args:
      values: (splits, clips) float, NaN where a split does not test a clip.
      seed: of the resampling.
      samples: how many resamples.
      level: coverage of the interval.

    Returns:
      The low and the high end.
    """
    splits, clips = values.shape
    tested = ~np.isnan(values)
    both = np.concatenate([np.where(tested, values, 0), tested]).T
    rng = np.random.default_rng(seed)
    figures: list[np.ndarray] = []
    at_once = max(1, _CHUNK // clips)
    for first in range(0, samples, at_once):
        drawn = rng.integers(0, clips, (min(at_once, samples - first), clips))
        counts = np.stack([np.bincount(row, minlength=clips) for row in drawn])
        sums = counts @ both
        with np.errstate(invalid="ignore"):
            figures.append(np.mean(sums[:, :splits] / sums[:, splits:], axis=1))
    figures = np.concatenate(figures)
    # A draw may hold no clip of a split that is tested on few.
    return _ends(figures[~np.isnan(figures)], level)


def _ends(figures: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
