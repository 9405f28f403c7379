"""What protocols that tell classes apart have in common."""

from __future__ import annotations

import numpy as np
from absl import logging

from brave_tf.data.records.splits import parts_of
from brave_tf.errors import UserError
from brave_tf.evaluation.features.feature_bank import ClipFeatures, FeatureBank
from brave_tf.evaluation.protocols.outcome import Predictions


def check_classes(bank: FeatureBank, train_split: str, test_split: str) -> None:
    """Makes sure, before any feature is computed, that the test's classes can be learned.

    Warns where clips are in both splits.

    Raises:
      UserError: a split cannot be used, there is one class, or one of the test has no training clip.
    """
    train, test = bank.labels(train_split), bank.labels(test_split)
    classes = np.unique(train)
    if len(classes) < 2:
        raise UserError(
            f"{bank.data_dir}: all labelled clips of split {train_split!r} are of one class, "
            f"{_quoted(bank, classes[0])}: a classifier needs at least two."
        )
    warn_of_shared_clips(bank, train_split, test_split)
    unseen = sorted(set(test.tolist()) - set(classes.tolist()))
    if unseen:
        listed = ", ".join(_quoted(bank, label) for label in unseen[:10])
        raise UserError(
            f"{bank.data_dir}: {len(unseen)} classes of split {test_split!r} have no usable clip in split "
            f"{train_split!r} to learn from: {listed}. Prepare splits that share their classes."
        )


def warn_of_shared_clips(bank: FeatureBank, train_split: str, test_split: str) -> None:
    """Warns where clips are learned from and scored."""
    train, test = (
        parts_of(split, bank.split_names, bank.data_dir) for split in (train_split, test_split)
    )
    shared = sorted(set(train) & set(test))
    if shared:
        logging.warning(
            "%s: the clips of split %s are learned from and scored too: what is measured there is how well "
            "they are remembered.",
            bank.data_dir,
            " and ".join(map(repr, shared)),
        )


def count_classes(bank: FeatureBank, labels: np.ndarray) -> int:
    """Returns how many classes the data has: those that have names, or up to the highest label."""
    return max(len(bank.label_names), int(labels.max()) + 1)


def class_names(bank: FeatureBank, count: int) -> np.ndarray:
    """Returns the names of the classes, (count,) str; the number where one has no name."""
    names = [*bank.label_names[:count], *map(str, range(len(bank.label_names), count))]
    return np.array(names, str)


def predictions(bank: FeatureBank, test: ClipFeatures, decisions: np.ndarray) -> Predictions:
    """Returns what was decided about test clips.

    Args:
      bank: of the clips.
      test: their labels, keys and paths.
      decisions: (clips, classes) float32.
    """
    classes = class_names(bank, decisions.shape[1])
    return Predictions(test.keys, test.labels, test.paths, decisions, classes)


def _quoted(bank: FeatureBank, label: int) -> str:
    return repr(bank.label_names[label]) if label < len(bank.label_names) else str(label)
