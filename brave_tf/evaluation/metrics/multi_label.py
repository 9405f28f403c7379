"""Metrics of clips that can have several labels: mAP, mAUC and d-prime, by class and over classes.

They are those of AudioSet (Gemmeke et al., "Audio Set: An ontology and human-labeled dataset for
audio events", ICASSP 2017): every class counts alike, however many clips have it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from brave_tf.evaluation.metrics import scores

# What tasks report whose clips have several labels.
REPORTS = ("map", "mauc", "d_prime")


@dataclasses.dataclass(frozen=True)
class ClassScores:
    """How well each class is found.

    Attributes:
      positives: (classes,) int64, the clips that have the label.
      average_precision: (classes,) float64 in [0, 1], NaN for a class without positives.
      auc: (classes,) float64 in [0, 1], the area under the ROC curve: the share of pairs of a clip
        with the label and one without that are in the right order. NaN where there is no such pair.
    """

    positives: np.ndarray
    average_precision: np.ndarray
    auc: np.ndarray


class Ranking:
    """The clips in the order of their scores, by class, for metrics of any weighting of the clips.

    Average precision is the sum of precisions weighted by the rise of recall, without interpolation;
    clips of equal score count as found together. The values are those of scikit-learn, which would
    order the clips anew for each resample of a bootstrap.

    Args:
      scores: (clips, classes) float, higher where a label is likelier.
      targets: (clips, classes) bool, the labels of each clip.

    Attributes:
      num_clips: how many there are.
      positives: (classes,) int64, how many clips have each label.

    Raises:
      ValueError: the shapes differ, or a score is no number.
    """

    def __init__(self, scores: np.ndarray, targets: np.ndarray):
        if scores.shape != targets.shape or scores.ndim != 2:
            raise ValueError(f"scores of shape {scores.shape} for targets of shape {targets.shape}")
        if np.isnan(scores).any():
            raise ValueError("scores hold values that are no numbers (NaN)")
        self.positives = np.count_nonzero(targets, axis=0)
        self.num_clips = len(scores)
        self._classes = [_Order(s, t) if t.any() else None for s, t in zip(scores.T, targets.T)]

    def scores(self, weights: np.ndarray | None = None) -> ClassScores:
        """Returns the metrics of each class.

        Args:
          weights: (clips,) float, how often each clip counts; None counts each once.
        """
        weights = np.ones(self.num_clips) if weights is None else np.asarray(weights, np.float64)
        nothing = (np.nan, np.nan)
        values = [order.scores(weights) if order else nothing for order in self._classes]
        precisions, aucs = np.array(values).reshape(-1, 2).T
        return ClassScores(self.positives, precisions, aucs)


class _Order:
    """The clips of one class, which some have, ordered by falling score (clips,)."""

    def __init__(self, scores: np.ndarray, targets: np.ndarray):
        self._order = np.argsort(-scores, kind="stable")
        falling = -scores[self._order]
        self._positives = self._order[targets[self._order]]
        found = -scores[self._positives]
        # For each positive: how many clips, and how many positives, score more, and at least as much.
        self._above, self._reached = (np.searchsorted(falling, found, s) for s in ("left", "right"))
        self._hits_above, self._hits = (np.searchsorted(found, found, s) for s in ("left", "right"))

    def scores(self, weights: np.ndarray) -> tuple[float, float]:
        """Average precision and AUC."""
        of_positives = weights[self._positives]
        clips, hits = _running_sum(weights[self._order]), _running_sum(of_positives)
        positive, negative = hits[-1], clips[-1] - hits[-1]
        if not positive:
            return np.nan, np.nan
        counted = of_positives > 0
        precisions = hits[self._hits[counted]] / clips[self._reached[counted]]
        precision = of_positives[counted] @ precisions / positive
        false_above = clips[self._above] - hits[self._hits_above]
        false_reached = clips[self._reached] - hits[self._hits]
        if not negative:
            return precision, np.nan
        wrong = of_positives @ (false_above + false_reached) / 2
        return precision, 1 - wrong / (positive * negative)


def _running_sum(values: np.ndarray) -> np.ndarray:
    """(n,) -> (n + 1,), the sums of the first 0, 1, ..., n values."""
    return np.concatenate([[0.0], np.cumsum(values)])


def d_prime(auc: float) -> float:
    """Returns how many standard deviations apart two normal distributions of this AUC are.

    It is sqrt(2) times the inverse of the standard normal distribution at the AUC: 0 at 0.5,
    infinite at 1.
    """
    return math.sqrt(2) * float(stats.norm.ppf(auc))


def metrics(ranking: Ranking, seed: int = 0, samples: int = 500) -> dict[str, Any]:
    """Averages the metrics over classes, with 95 % percentile bootstrap intervals over clips.

    Classes without positives are left out; in a resample, so are those that it has no positives of.

    Args:
      ranking: of the scored clips.
      seed: of the resampling.
      samples: how many resamples.

    Returns:
      `map` (macro average of the average precisions) and `mauc`, fractions in [0, 1]; their intervals
      `map_ci95` and `mauc_ci95`, [low, high]; `d_prime`, that of the mean AUC; and
      `classes_without_positives`, how many classes are left out. What cannot be computed or is
      infinite is None.
    """
    found = ranking.scores()
    values: dict[str, Any] = {}
    for index, (name, value) in enumerate(zip(("map", "mauc"), means(found))):
        values[name] = _finite(value)
        values[f"{name}_ci95"] = None
        if values[name] is not None:
            statistic = functools.partial(_resampled_mean, ranking, index)
            interval = scores.bootstrap_statistic(statistic, ranking.num_clips, seed, samples)
            values[f"{name}_ci95"] = list(interval)
    values["d_prime"] = _finite(d_prime(means(found)[1]))
    values["classes_without_positives"] = int(np.count_nonzero(found.positives == 0))
    return values


def _resampled_mean(ranking: Ranking, index: int, drawn: np.ndarray) -> float:
    return means(ranking.scores(np.bincount(drawn, minlength=ranking.num_clips)))[index]


def class_table(names: Sequence[str], found: ClassScores) -> list[dict[str, Any]]:
    """Returns the metrics of each class as plain JSON values.

    Args:
      names: of the classes.
      found: their scores.

    Returns:
      A dict for each class: `name`, `positives`, and `ap`, `auc` and `d_prime`, which are None where they
      cannot be computed or are infinite.
    """
    rows = zip(names, found.positives, found.average_precision, found.auc)
    return [
        {
            "name": name,
            "positives": int(positives),
            "ap": _finite(precision),
            "auc": _finite(auc),
            "d_prime": _finite(d_prime(auc)),
        }
        for name, positives, precision, auc in rows
    ]


def means(found: ClassScores) -> tuple[float, float]:
    """Returns mAP and mAUC, over the classes that have an average precision or an AUC; NaN if none has."""
    values = (found.average_precision, found.auc)
    precision, auc = (v[~np.isnan(v)].mean() if (~np.isnan(v)).any() else np.nan for v in values)
    return precision, auc


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
