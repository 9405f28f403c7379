"""Protocols over the official splits or folds of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from brave_tf.data.public.official_splits import train_test_splits
from brave_tf.data.sources.kinds import open_source
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.metrics import scores
from brave_tf.evaluation.protocols.outcome import Outcome, Predictions
from brave_tf.evaluation.tasks.registry import Protocol

_CLIPS = ("train", "test", "missing")
_INTERVAL = "_ci95"


def over_official_splits(protocol: Callable[..., Outcome]) -> Protocol:
    """Returns a protocol that runs `protocol` on each official split and averages the results.

    The splits are found by the names that the scripts in `datasets/` give to the records, see
    `official_splits`; folds are held out one after the other. A folder that holds only some of the
    splits' clips is scored on those.

    Args:
      protocol: a function of a probe, a folder of records, `train_split` and `test_split`.

    Returns:
      A protocol whose `Outcome` has the mean of each metric, each split's own metrics, clips and settings
      under `splits`, in `clips` the sums over the splits, and the predictions of all splits. Intervals are
      of the mean over the splits, by resampling clips: official test splits share some.
    """

    def run(probe: Probe, data_dir: str) -> Outcome:
        splits = train_test_splits(open_source(data_dir).split_names)
        outcomes = []
        for number, (train, test) in enumerate(splits, start=1):
            print(f"official split {number} of {len(splits)}", flush=True)
            outcomes.append(protocol(probe, data_dir, train_split=train, test_split=test))
        return averaged(outcomes)

    return run


def averaged(outcomes: Sequence[Outcome]) -> Outcome:
    """Returns the outcome of a protocol over several splits; see `over_official_splits`."""
    first = outcomes[0]
    metrics = {
        name: _mean([outcome.metrics[name] for outcome in outcomes])
        for name, value in first.metrics.items()
        if isinstance(value, (int, float)) or name.endswith(_INTERVAL)
    }
    if all(outcome.predictions is not None for outcome in outcomes):
        for name in first.per_clip:
            values = _by_clip(outcomes, name)
            seed = first.settings.get("seed", 0)
            metrics[name + _INTERVAL] = list(scores.bootstrap_over_splits(values, seed))
    clips = {name: sum(outcome.clips[name] for outcome in outcomes) for name in _CLIPS}
    shared = {
        name: value
        for name, value in first.settings.items()
        if all(outcome.settings.get(name) == value for outcome in outcomes)
    }
    metrics["splits"] = [
        {
            **outcome.metrics,
            "clips": outcome.clips,
            "settings": {k: v for k, v in outcome.settings.items() if k not in shared},
        }
        for outcome in outcomes
    ]
    return Outcome(metrics, clips, shared, _joined([o.predictions for o in outcomes]))


def _mean(values: Sequence[Any]) -> float | list[float]:
    return np.mean(values, axis=0).tolist()


def _by_clip(outcomes: Sequence[Outcome], metric: str) -> np.ndarray:
    """Returns the values of a metric, (splits, clips) float, NaN where a split does not test a clip."""
    keys = np.unique(np.concatenate([outcome.predictions.keys for outcome in outcomes]))
    values = np.full((len(outcomes), len(keys)), np.nan)
    for row, outcome in zip(values, outcomes):
        row[np.searchsorted(keys, outcome.predictions.keys)] = outcome.per_clip[metric]
    return values


def _joined(predictions: Sequence[Predictions | None]) -> Predictions | None:
    """Returns the predictions of all splits, one after the other."""
    if any(each is None for each in predictions):
        return None
    columns = [each.arrays() for each in predictions]
    joined = {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
    split = np.repeat(np.arange(len(predictions)) + 1, [len(each.keys) for each in predictions])
    return Predictions(**{**joined, "split": split, "classes": predictions[0].classes})
