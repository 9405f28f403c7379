"""How protocols begin and end that classify the frozen features of clips with one label each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

import numpy as np

from brave_tf.evaluation.features.feature_bank import ClipFeatures, FeatureBank
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.metrics import scores
from brave_tf.evaluation.protocols import supervised
from brave_tf.evaluation.protocols.classes import check_classes
from brave_tf.evaluation.protocols.outcome import Outcome, Predictions


def open_bank(
    probe: Probe,
    data_dir: str,
    train_split: str,
    test_split: str,
    check: Callable[[np.ndarray], None] | None = None,
) -> FeatureBank:
    """Returns the features of the clips; where the supervised baseline is evaluated, it is trained first.

    Args:
      probe: the frozen backbone.
      data_dir: folder of prepared records, or media files.
      train_split: split that the protocol learns from.
      test_split: split that is scored.
      check: raises UserError for labels of training clips, (clips,) int64, that cannot be used.

    Raises:
      UserError: before any feature is computed, for splits that cannot be used.
    """
    bank = FeatureBank(probe, data_dir)
    check_classes(bank, train_split, test_split)
    if check:
        check(bank.labels(train_split))
    return supervised.trained(bank, train_split)


def outcome(
    bank: FeatureBank,
    train: ClipFeatures,
    test: ClipFeatures,
    hits: Mapping[str, np.ndarray],
    settings: Mapping[str, Any],
    predictions: Predictions | None = None,
    seed: int = 0,
) -> Outcome:
    """Returns the metrics, which are the means of hits, with their 95 % bootstrap intervals.

    Args:
      bank: of the clips.
      train: the clips that were learned from.
      test: the clips that were scored.
      hits: metric -> (test clips,) bool or float in [0, 1].
      settings: choices that the numbers depend on, beside those of the bank.
      predictions: what was decided about the test clips.
      seed: of the intervals.
    """
    return Outcome(
        metrics=scores.with_intervals(hits, seed),
        clips={"train": len(train), "test": len(test), "missing": train.missing + test.missing},
        settings={**bank.settings, **settings, "seed": seed},
        predictions=predictions,
        per_clip=hits,
    )
