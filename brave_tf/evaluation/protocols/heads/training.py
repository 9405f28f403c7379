"""Trains classifiers on frozen features, and chooses among them by held-out training clips."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any, Callable, ClassVar, Union

import numpy as np
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.evaluation.metrics import multi_label, scores
from brave_tf.evaluation.protocols.heads.classifier import Classifier
from brave_tf.evaluation.protocols.heads.rows import TrainingRows
from brave_tf.process.progress import Progress
from brave_tf.training.optimizers import Optimizer, schedules
from brave_tf.training.optimizers.adam import AdamW
from brave_tf.training.optimizers.sgd import Sgd

_SCORED_AT_ONCE = 4096
_MOST_HELD_OUT = 20_000

OneOrSeveral = Union[float, Sequence[float]]


# The defaults below take no bindings: those of the evaluated model's recipe are not meant for a classifier.
def momentum_sgd(
    learning_rate: schedules.LearningRate, weight_decay: float
) -> tf.keras.optimizers.Optimizer:
    """SGD with a momentum of 0.9 and L2 weight decay."""
    return Sgd(learning_rate, momentum=0.9, weight_decay=weight_decay, name="sgd")


def plain_adamw(
    learning_rate: schedules.LearningRate, weight_decay: float
) -> tf.keras.optimizers.Optimizer:
    """AdamW with Keras' decays of the moments, 0.9 and 0.999."""
    return AdamW(learning_rate, weight_decay=weight_decay, name="adamw")


def cosine(peak: float, warmup_steps: int, total_steps: int) -> schedules.LearningRate:
    """A linear rise from 0, then half a cosine down to 0."""
    return schedules.warmup_cosine(peak, warmup_steps, total_steps, final=0.0, initial=0.0)


@dataclasses.dataclass(frozen=True)
class HeadTraining:
    """How a classifier on frozen features is trained.

    A subclass has the defaults of a protocol, and says in `binding` under which name they are bound.

    Of several learning rates or weight decays, all are trained side by side without a share of the
    training clips, and those that do best on that share are taken, by top-1 or, for several labels a
    clip, by mAP. The classifier is then trained anew on all training clips.

    Attributes:
      epochs: how often each training clip is seen; epochs take the cached augmented passes in turns.
      batch_size: clips of a step.
      learning_rate: the highest of the schedule, or several to choose from.
      weight_decay: or several to choose from.
      warmup_epochs: length of the rise of the learning rate.
      optimizer: called with `learning_rate` and `weight_decay`, such as @sgd or @lars.
      schedule: called with `peak`, `warmup_steps` and `total_steps`, such as @warmup_cosine; returns
        what the optimizer takes for its learning rate.
      held_out: share of the training clips that choices are made by, in (0, 1); at most 20,000 are.
      rows_in_memory: see `TrainingRows`; 100,000 rows of 2,048 features are 0.8 GB.
      seed: of weights, orders, what is dropped, and the held-out share.

    Raises:
      UserError: a value cannot be used.
    """

    epochs: int
    batch_size: int
    learning_rate: OneOrSeveral
    weight_decay: OneOrSeveral
    optimizer: Callable[..., Optimizer]
    schedule: Callable[..., schedules.LearningRate] = cosine
    warmup_epochs: float = 0.0
    held_out: float = 0.1
    rows_in_memory: int = 100_000
    seed: int = 0

    binding: ClassVar[str]

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "rows_in_memory"):
            value = getattr(self, name)
            self._require(isinstance(value, int) and value > 0, name, "a whole number above 0")
        rates, decays = _several(self.learning_rate), _several(self.weight_decay)
        self._require(min(rates, default=0) > 0, "learning_rate", "one number above 0 or several")
        self._require(min(decays, default=-1) >= 0, "weight_decay", "one number from 0 or several")
        self._require(0 < self.held_out < 1, "held_out", "a share between 0 and 1")
        self._require(
            isinstance(self.seed, int) and self.seed >= 0, "seed", "a whole number from 0"
        )
        within = 0 <= self.warmup_epochs < self.epochs
        self._require(within, "warmup_epochs", f"from 0 to less than the {self.epochs} epochs")

    def candidates(self) -> list[tuple[float, float]]:
        """Returns the pairs of learning rate and weight decay to choose from."""
        pairs = itertools.product(_several(self.learning_rate), _several(self.weight_decay))
        return [(float(rate), float(decay)) for rate, decay in pairs]

    def num_held_out(self, clips: int) -> int:
        """Returns how many of the training clips are held out, 0 where there is nothing to choose.

        Raises:
          UserError: there are too few.
        """
        if len(self.candidates()) == 1:
            return 0
        count = min(round(self.held_out * clips), _MOST_HELD_OUT)
        if not 0 < count < clips:
            raise UserError(
                f"{self.binding}.held_out = {self.held_out}: {count} of {clips} training clips cannot be "
                f"held out to choose by. Bind another share, or one {self.binding}.learning_rate and one "
                "weight_decay."
            )
        return count

    def settings(self) -> dict[str, Any]:
        """Returns the choices that a result depends on, as plain JSON values."""
        values = {name: getattr(self, name) for name in ("epochs", "batch_size", "warmup_epochs")}
        functions = {"optimizer": _name(self.optimizer), "schedule": _name(self.schedule)}
        return {**values, **functions, "seed": self.seed}

    def _require(self, good: bool, name: str, expected: str) -> None:
        if not good:
            value = getattr(self, name)
            raise UserError(f"{self.binding}.{name} = {value!r}: expected {expected}.")


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A trained classifier, and what was chosen for it.

    Attributes:
      classifier: trained on all training clips.
      settings: `learning_rate` and `weight_decay`; where there was a choice, `held_out_clips`, how many, and
        `held_out_scores`, a row of learning rate, weight decay and score for each candidate.
    """

    classifier: Classifier
    settings: dict[str, Any]


def fit(
    make: Callable[[], Classifier], rows: TrainingRows, keys: np.ndarray, training: HeadTraining
) -> Fitted:
    """Trains a classifier with the best of the candidates.

    Args:
      make: makes an untrained classifier.
      rows: what it is trained on.
      keys: (clips,) str, the clips of `rows`, each once.
      training: how.

    Raises:
      UserError: no clip can be held out, or the weights do not stay finite.
    """
    candidates = training.candidates()
    chosen, compared = candidates[0], {}
    if len(candidates) > 1:
        count, rng = training.num_held_out(len(keys)), np.random.default_rng(training.seed)
        held_out = rng.permutation(np.sort(keys))[:count]
        classifiers = train(make, rows, training, candidates, without=held_out)
        features, labels = rows.only(held_out)
        values = [_held_out_score(classifier, features, labels) for classifier in classifiers]
        if np.isnan(values).all():
            raise UserError(
                f"{training.binding}.held_out = {training.held_out}: none of the {count} training clips that "
                "are held out has a label to choose by. Bind a larger share, or one "
                f"{training.binding}.learning_rate and one weight_decay."
            )
        chosen = candidates[int(np.nanargmax(values))]
        table = [[*pair, _plain(value)] for pair, value in zip(candidates, values)]
        compared = {"held_out_clips": len(held_out), "held_out_scores": table}
    (classifier,) = train(make, rows, training, [chosen])
    if not _is_finite(classifier):
        raise UserError(
            f"the classifier's weights did not stay finite with a learning rate of {chosen[0]:g}: bind a "
            f"lower {training.binding}.learning_rate."
        )
    return Fitted(classifier, {"learning_rate": chosen[0], "weight_decay": chosen[1], **compared})


def train(
    make: Callable[[], Classifier],
    rows: TrainingRows,
    training: HeadTraining,
    candidates: Sequence[tuple[float, float]],
    without: Sequence[str] = (),
) -> list[Classifier]:
    """Trains a classifier with each pair of learning rate and weight decay, side by side.

    The loss is the mean over clips of the softmax cross-entropy, and where clips have several labels of
    the sum over classes of the sigmoid cross-entropy.

    Args:
      make: makes an untrained classifier.
      rows: what they are trained on.
      training: how.
      candidates: the pairs.
      without: keys of clips to leave out.

    Returns:
      The classifiers, in the order of the candidates.
    """
    steps_per_epoch = math.ceil((rows.num_rows - len(without)) / training.batch_size)
    total = training.epochs * steps_per_epoch
    warmup = round(training.warmup_epochs * steps_per_epoch)
    heads = []
    for rate, decay in candidates:
        schedule = training.schedule(peak=rate, warmup_steps=warmup, total_steps=total)
        heads.append((make(), training.optimizer(learning_rate=schedule, weight_decay=decay)))
    step = _step_function(heads)
    size, seed = training.batch_size, training.seed
    epochs = (rows.epoch(number, size, seed, without) for number in range(training.epochs))
    choice = f"{len(heads)} classifiers to choose from"
    description = f"training {choice if len(heads) > 1 else 'the classifier'}"
    with Progress(total, description, "steps") as progress:
        for number, batch in enumerate(itertools.chain.from_iterable(epochs)):
            step(*map(tf.constant, batch), tf.constant([seed, number], tf.int32))
            progress.add()
    return [classifier for classifier, _ in heads]


def logits(classifier: Classifier, features: np.ndarray) -> np.ndarray:
    """Returns (n, classes) float32 for features (n, D), some thousands at a time."""
    parts = range(0, len(features), _SCORED_AT_ONCE)
    return np.concatenate([classifier(features[i : i + _SCORED_AT_ONCE]).numpy() for i in parts])


def _step_function(
    heads: Sequence[tuple[Classifier, tf.keras.optimizers.Optimizer]],
) -> Callable[..., None]:
    for classifier, optimizer in heads:
        optimizer.build(classifier.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(features: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> None:
        for classifier, optimizer in heads:
            with tf.GradientTape() as tape:
                loss = _loss(labels, classifier(features, seed))
            variables = classifier.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    return step


def _loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """() mean over clips; labels (B,) int64 or (B, classes) bool, logits (B, classes)."""
    if labels.shape.rank == 1:
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    targets = tf.cast(labels, logits.dtype)
    by_class = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    return tf.reduce_mean(tf.reduce_sum(by_class, axis=1))


def _held_out_score(classifier: Classifier, features: np.ndarray, labels: np.ndarray) -> float:
    """Top-1 or mAP; below all others for a classifier whose weights or logits are not finite."""
    if not _is_finite(classifier):
        return -np.inf
    decisions = logits(classifier, features)
    if not np.isfinite(decisions).all():
        return -np.inf
    if labels.ndim == 1:
        return scores.hits_at(1, decisions, labels).mean()
    return multi_label.means(multi_label.Ranking(decisions, labels).scores())[0]


def _is_finite(classifier: Classifier) -> bool:
    return all(np.isfinite(weight.numpy()).all() for weight in classifier.trainable_variables)


def _several(value: Any) -> tuple[float, ...]:
    """One number or several as a tuple; empty for what is neither."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return values if all(isinstance(number, (int, float)) for number in values) else ()


def _name(function: Callable) -> str:
    return getattr(function, "__name__", repr(function))


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
