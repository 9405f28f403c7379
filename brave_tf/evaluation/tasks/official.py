"""Protocols over the official splits or folds of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from brave_tf.data.public.official_splits import is_fold, train_test_splits
from brave_tf.data.sources.kinds import open_source
from brave_tf.errors import UserError
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.metrics import scores
from brave_tf.evaluation.protocols.outcome import Outcome, Predictions
from brave_tf.evaluation.tasks.registry import Protocol

_CLIPS = ("train", "test", "missing")
_INTERVAL = "_ci95"
_POOLED = "pooled_"
_OF_NEIGHBOURS = ("neighbours", "similarities", "neighbour_labels")


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
      of the mean over the splits, by resampling clips: official test splits share some. Where no clip is
      tested twice, as with folds, there is `pooled_<metric>` too: the mean over all clips, with its interval.
    """

    def run(probe: Probe, data_dir: str) -> Outcome:
        return _over(protocol, probe, data_dir, open_source(data_dir).split_names)

    return run


def over_folds(protocol: Callable[..., Outcome]) -> Protocol:
    """Returns what `over_official_splits` does, of data with folds alone.

    Raises:
      UserError: by the protocol, where the data has no folds.
    """

    def run(probe: Probe, data_dir: str) -> Outcome:
        names = open_source(data_dir).split_names
        if not any(map(is_fold, names)):
            raise UserError(
                f"{data_dir} has no folds, but the splits {', '.join(sorted(names))}. Prepare the clips with "
                "brave_tf_prepare --folds=5 (of media files as they are: bind RawMedia.folds = 5), or take "
                "the tasks folder/..., which learn from a split train and test another."
            )
        return _over(protocol, probe, data_dir, names)

    return run


def _over(
    protocol: Callable[..., Outcome], probe: Probe, data_dir: str, names: Sequence[str]
) -> Outcome:
    splits = train_test_splits(names)
    outcomes = []
    for number, (train, test) in enumerate(splits, start=1):
        kind = "fold" if is_fold(test) else "official split"
        print(f"{kind} {number} of {len(splits)}", flush=True)
        outcomes.append(protocol(probe, data_dir, train_split=train, test_split=test))
    return averaged(outcomes)


def averaged(outcomes: Sequence[Outcome]) -> Outcome:
    """Returns the outcome of a protocol over several splits; see `over_official_splits`."""
    first = outcomes[0]
    metrics = {
        name: _mean([outcome.metrics[name] for outcome in outcomes])
        for name in first.metrics
        if name.endswith(_INTERVAL)
        or any(isinstance(outcome.metrics[name], (int, float)) for outcome in outcomes)
    }
    if all(outcome.predictions is not None for outcome in outcomes):
        for name in first.per_clip:
            values = _by_clip(outcomes, name)
            seed = first.settings.get("seed", 0)
            metrics[name + _INTERVAL] = list(scores.bootstrap_over_splits(values, seed))
        metrics.update(_pooled(outcomes))
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


def _pooled(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Returns the metrics over all clips, where each is tested once, and their intervals."""
    keys = np.concatenate([outcome.predictions.keys for outcome in outcomes])
    if len(np.unique(keys)) < len(keys):
        return {}
    first = outcomes[0]
    per_clip = {
        f"{_POOLED}{name}": np.concatenate([outcome.per_clip[name] for outcome in outcomes])
        for name in first.per_clip
    }
    return scores.with_intervals(per_clip, first.settings.get("seed", 0))


def _mean(values: Sequence[Any]) -> float | list[float] | None:
    """Returns the mean; None where a split has none, such as the AUC of a class without other clips."""
    return None if any(value is None for value in values) else np.mean(values, axis=0).tolist()


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
    # Where a split has hardly any training clips, fewer neighbours are known there.
    for name in set(_OF_NEIGHBOURS) & set(columns[0]):
        known = min(each[name].shape[1] for each in columns)
        columns = [{**each, name: each[name][:, :known]} for each in columns]
    joined = {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
    split = np.repeat(np.arange(len(predictions)) + 1, [len(each.keys) for each in predictions])
    return Predictions(**{**joined, "split": split, "classes": predictions[0].classes})
