"""What the linear layer and the MLP have in common: features -> classifier -> scores of test clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from brave_tf.errors import UserError, did_you_mean
from brave_tf.evaluation.features.feature_bank import FeatureBank
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.metrics import multi_label, scores
from brave_tf.evaluation.protocols import supervised
from brave_tf.evaluation.protocols.classes import (
    check_classes,
    class_names,
    count_classes,
    warn_of_shared_clips,
)
from brave_tf.evaluation.protocols.heads.classifier import (
    NORMALIZATIONS,
    Classifier,
    normalization_layer,
)
from brave_tf.evaluation.protocols.heads.rows import TrainingRows
from brave_tf.evaluation.protocols.heads.training import Fitted, HeadTraining, fit, logits
from brave_tf.evaluation.protocols.outcome import Outcome, Predictions

AVERAGES = ("probabilities", "logits")


@dataclasses.dataclass(frozen=True)
class Head:
    """A classifier on features, and how it is trained and asked.

    Attributes:
      name: of the protocol, for messages.
      training: how it is trained.
      hidden: sizes of its hidden layers.
      dropout: see `Classifier`.
      normalization: see `normalization_layer`.
      average: what is averaged over the crops of a test clip: `probabilities` or `logits`.
      several_labels: whether clips can have several labels.
    """

    name: str
    training: HeadTraining
    hidden: Sequence[int] = ()
    dropout: float = 0.0
    normalization: str = "standardize"
    average: str = "probabilities"
    several_labels: bool = False

    def __post_init__(self) -> None:
        for name, known in (("normalization", NORMALIZATIONS), ("average", AVERAGES)):
            value = getattr(self, name)
            if value not in known:
                raise UserError(
                    f"{self.name}.{name} = {value!r}: expected one of {', '.join(known)}."
                    f"{did_you_mean(str(value), known)}"
                )
        if not 0 <= self.dropout < 1:
            raise UserError(f"{self.name}.dropout = {self.dropout}: expected 0 <= dropout < 1.")

    def settings(self) -> dict[str, Any]:
        """Returns the choices that a result depends on, as plain JSON values."""
        settings = {"normalization": self.normalization, "average": self.average}
        if self.hidden:
            settings.update(hidden=list(self.hidden), dropout=self.dropout)
        return settings


def evaluate_head(
    probe: Probe, data_dir: str, train_split: str, test_split: str, head: Head
) -> Outcome:
    """Trains a head on the features of a split and scores it on another one.

    Features of the training split are read from the cache part by part; they need not fit in memory.

    Returns:
      `top1` and `top5` with their 95 % bootstrap intervals over test clips; where clips have several labels
      what `multi_label.metrics` and, as `classes`, `multi_label.class_table` return.

    Raises:
      UserError: before any feature is computed, for settings and splits that cannot be used.
    """
    bank = FeatureBank(probe, data_dir)
    if head.several_labels:
        _check_several_labels(bank, train_split, test_split)
        classes = np.array(bank.label_names, str)
        bank = FeatureBank(probe, data_dir, num_labels=len(classes))
    else:
        check_classes(bank, train_split, test_split)
        classes = class_names(bank, count_classes(bank, bank.labels(train_split)))
    head.training.num_held_out(
        len(bank.labels(train_split))
    )  # Raises before any feature is computed.
    bank = supervised.trained(bank, train_split)
    fitted, keys = train_head(bank.train_parts(train_split), len(classes), head)
    found = predict(fitted.classifier, bank.test_parts(test_split), classes, head)
    clips = {"train": len(keys), "test": len(found.keys)}
    clips["missing"] = bank.total(train_split) + bank.total(test_split) - sum(clips.values())
    splits = {"train_split": train_split, "test_split": test_split}
    training = {**head.training.settings(), **fitted.settings}
    settings = {**bank.settings, **splits, **head.settings(), "training": training}
    seed = head.training.seed
    if head.several_labels:
        return Outcome(_several_labels(found, seed), clips, settings, found)
    hits = scores.top_hits(found.decisions, found.labels)
    return Outcome(scores.with_intervals(hits, seed), clips, settings, found, hits)


def train_head(
    passes: Sequence[Sequence[Any]], num_classes: int, head: Head
) -> tuple[Fitted, np.ndarray]:
    """Trains a head on parts of features by pass, see `feature_bank.FeatureBank.train_parts`.

    The biases of the logits start where they predict the frequency of each label, so that rare ones
    need no steps to be found rare.

    Returns:
      The classifier and what was chosen for it, and the keys of the training clips.
    """
    rows = TrainingRows(passes, head.training.rows_in_memory)
    facts = rows.facts(num_classes)
    frequencies = (facts.positives + 1) / (len(facts.keys) + 2)
    bias = special.logit(frequencies) if head.several_labels else np.log(frequencies)

    def make() -> Classifier:
        return Classifier(
            normalization_layer(head.normalization, facts.scaler),
            facts.scaler.n_features_in_,
            bias.tolist(),
            head.hidden,
            head.dropout,
            head.training.seed,
        )

    return fit(make, rows, facts.keys, head.training), facts.keys


def predict(
    classifier: Classifier, parts: Sequence[Any], classes: np.ndarray, head: Head
) -> Predictions:
    """Returns the predictions for the clips of `parts`, see `feature_bank.FeatureBank.test_parts`."""
    read = []
    for part in parts:
        data = part.load()
        read.append((data.keys, data.labels, decide(classifier, data.features, head), data.paths))
    keys, labels, decisions, paths = map(np.concatenate, zip(*read))
    return Predictions(keys, labels, paths, decisions, classes)


def decide(classifier: Classifier, crops: np.ndarray, head: Head) -> np.ndarray:
    """Returns (clips, classes) float32, higher for likelier classes.

    Args:
      classifier: trained.
      crops: (clips, crops, D) float32 features.
      head: says what is averaged.
    """
    clips, number, size = crops.shape
    values = logits(classifier, crops.reshape(clips * number, size))
    if head.average == "probabilities":
        values = special.expit(values) if head.several_labels else special.softmax(values, axis=-1)
    return values.reshape(clips, number, -1).mean(axis=1)


def _several_labels(predictions: Predictions, seed: int) -> dict[str, Any]:
    ranking = multi_label.Ranking(predictions.decisions, predictions.labels)
    table = multi_label.class_table(predictions.classes, ranking.scores())
    return {**multi_label.metrics(ranking, seed), "classes": table}


def _check_several_labels(bank: FeatureBank, train_split: str, test_split: str) -> None:
    """Makes sure, before any feature is computed, that clips have labels and labels have names."""
    highest = max(int(bank.labels(split).max()) for split in (train_split, test_split))
    if highest >= len(bank.label_names):
        raise UserError(
            f"{bank.data_dir}: clips have the label {highest}, and labels.txt names {len(bank.label_names)}: "
            "where clips have several labels, it has to name all that there are, one a line."
        )
    warn_of_shared_clips(bank, train_split, test_split)
