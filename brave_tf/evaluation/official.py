"""Protocols over the official splits or folds of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from brave_tf.data.official_splits import train_test_splits
from brave_tf.data.source import open_source
from brave_tf.evaluation.probe import Outcome, Probe
from brave_tf.evaluation.registry import Protocol

_CLIPS = ("train", "test", "missing")


def over_official_splits(protocol: Callable[..., Outcome]) -> Protocol:
    """Returns a protocol that runs `protocol` on each official split and averages the results.

    The splits are found by the names that the scripts in `datasets/` give to the records, see
    `official_splits`; folds are held out one after the other. A folder that holds only some of the
    splits' clips is scored on those.

    Args:
      protocol: a function of a probe, a folder of records, `train_split` and `test_split`.

    Returns:
      A protocol whose `Outcome` has the mean of each metric, each split's own metrics and clips under
      `splits`, and in `clips` the sums over the splits. The interval is the mean of the splits'
      intervals, that is, it counts on no independence between them: official test splits share clips.
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
    metrics = {name: _mean([o.metrics[name] for o in outcomes]) for name in outcomes[0].metrics}
    metrics["splits"] = [{**outcome.metrics, "clips": outcome.clips} for outcome in outcomes]
    clips = {name: sum(outcome.clips[name] for outcome in outcomes) for name in _CLIPS}
    varying = ("train_split", "test_split")
    shared = {k: v for k, v in outcomes[0].settings.items() if k not in varying}
    splits = [{name: o.settings[name] for name in varying} for o in outcomes]
    return Outcome(metrics, clips, {**shared, "splits": splits})


def _mean(values: Sequence[Any]) -> float | list[float]:
    return np.mean(values, axis=0).tolist()
