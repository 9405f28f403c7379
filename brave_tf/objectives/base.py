"""What an objective is: the contract of those who write one, and of those who use it."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Callable

import tensorflow as tf

from brave_tf.models.precision import in_full
from brave_tf.objectives.backbones import Backbones, resolved
from brave_tf.objectives.occasions import Occasion, RowFeatures
from brave_tf.objectives.shared_features import features_of
from brave_tf.objectives.stepping import GRADIENT_NORM as GRADIENT_NORM
from brave_tf.objectives.stepping import Stepping
from brave_tf.objectives.terms import Seen, Terms

# The name of the view whose backbone is the one most used: a short window of colour frames.
NARROW = "narrow"

# Names of the networks of an objective: that which gradients train, and a momentum copy of it.
ONLINE, TARGET = "online", "target"


class Objective(Stepping, abc.ABC):
    """A Keras model that trains one backbone per view.

    The base class has everything that does not depend on what is learned: the training and evaluation steps,
    distribution, precision, the logs of each term, and what the monitors of a run look at. A subclass lives
    in one file, is `@gin.configurable`, and provides:

    * `__init__`: calls `super().__init__(backbones, loss_scale)` first, then builds its further weights
      (heads, state, momentum copies) from the backbones' feature sizes. Every variable must exist when it
      returns, so that optimizers and checkpoints see all of them before the first step. What no gradient
      trains is a `State`, such as a `Queue`, or made with `trainable=False`.
    * `term_names`: the names of its loss terms, the keys of `Terms.losses`.
    * `terms(batch, training)`: the views of a batch -> `Terms`. The loss is `loss_scale` times the mean of
      the loss terms over terms, or their sum by `term_weights`, and over the clips of the global batch.
      It writes nothing: what it would write is `Terms.writes`, which training calls after scoring.
    * `monitor_names`, if it logs more than its terms: the keys of `Terms.monitors`.
    * `clip_fields` and `unique_in_batch`, of the class, if batches are to tell clips apart: see
      `data.pipeline.clip_fields.ClipFields`. With `num_clips`, if rows are kept: the run makes sure of it.

    It may provide besides: `term_weights`; `begin_step` and `end_step`, what a step does before and after all
    else; `filling`, whether batches only fill its state as yet; `accumulates`; `check_batch`; `networks`;
    `occasions`, at which `on_occasion` changes its state by features of all clips.
    Another objective may be an attribute of it, see `parts.joined`; its hooks are called too.

    A recipe binds it, `Recipe.objective = @MyObjective`, after an `import` line with its module.

    A batch is a dict: view name -> tensor of the view's shape with a leading batch axis, and
    `label` -> (B,) int64, -1 where a clip has none.

    Args:
      backbones: view name -> model from (B, *view shape) to (B, D) features, or the name of another view,
        whose model both then train.
      loss_scale: constant factor on the loss and its gradients. Published code that adds up the gradients of
        R replicas, each of its own mean, follows R times the gradient of the mean over all: bind R.

    Attributes:
      seen: what the last training step showed; None before the first one.
      occasions: when `on_occasion` is to be called; a list that `__init__` assigns.
      finish_batch: what turns the input pipeline's batch into the step's, on its device; None for nothing.
      next_batch: takes the next batch from the iterator of a training step.
      around_step: makes the context of a training step, with the waits for its batches.

    Raises:
      UserError: no backbones, or a name that is not that of a view with a model.
    """

    clip_fields: Sequence[str] = ()
    unique_in_batch = False
    # Whether the mean loss over parts of a step's clips is the loss of all of them, and its state follows
    # parts as it would follow all; otherwise `train.accumulate_steps` is refused.
    accumulates: bool = True

    def __init__(self, backbones: Backbones, loss_scale: float = 1.0):
        super().__init__(name=type(self).__name__.lower())
        self.backbones = resolved(backbones, type(self).__name__)
        self.loss_scale = loss_scale
        self.seen: Seen | None = None
        self.occasions: Sequence[Occasion] = ()
        self.finish_batch: Callable[[Mapping], dict] | None = None
        self.next_batch: Callable[[Iterator], object] = next
        self.around_step: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext

    @property
    @abc.abstractmethod
    def term_names(self) -> Sequence[str]:
        """Names of the loss terms."""

    @property
    def monitor_names(self) -> Sequence[str]:
        """Names of further figures that are logged."""
        return ()

    @abc.abstractmethod
    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> Terms:
        """Computes the loss terms of a batch."""

    @property
    def term_weights(self) -> Mapping[str, float | tf.Tensor] | None:
        """Name -> weight of every term in the loss, which is their sum; None for the mean of all terms."""
        return None

    # AutoGraph warns of a function that is a docstring alone.
    @tf.autograph.experimental.do_not_convert
    def begin_step(self, step: tf.Tensor) -> None:
        """Is called on each replica before the first forward pass of a step, such as for momentum copies.

        Args:
          step: () int64, optimizer steps taken before.
        """

    @tf.autograph.experimental.do_not_convert
    def end_step(self, step: tf.Tensor) -> None:
        """Is called on each replica after the optimizer's step; `step` is as in `begin_step`."""

    def filling(self) -> bool:
        """Whether the next step only fills state, as long as a queue is not full.

        Such a step does everything but the optimizer's part, and does not count as one: schedules, logs and
        checkpoints see the next one that does. Asked between steps until it is False for the first time.
        """
        return False

    def on_occasion(self, occasion: Occasion, features: RowFeatures) -> None:
        """Changes state or weights between two steps.

        All processes of a run call it with the same features, and go on with what the first one has then.
        A run that is killed comes to it again: what it does may depend on the features, their seed and
        variables alone, and what it leaves has to be in variables.

        Args:
          occasion: that of `occasions` which is due.
          features: of all clips that are trained on, by row, of the views that the occasion names.
        """
        raise NotImplementedError

    def occasion_features(self, occasion: Occasion, view: str, x: tf.Tensor) -> tf.Tensor:
        """Returns what is computed of a clip for an occasion, (B, D) float32, in inference mode.

        By default the features of the view's backbone, as `embed` gives them. It must not communicate between
        replicas, which have different numbers of clips.

        Args:
          occasion: that of `occasions` which is due.
          view: its name.
          x: (B, *view shape), windows without augmentations.
        """
        del occasion
        return self.embed(view, x)

    def check_batch(self, clips: int) -> None:
        """Makes sure, before work starts, that a batch can be used; `State` is asked beside this.

        Args:
          clips: over all devices, of a step or of a part of one.

        Raises:
          UserError: it cannot.
        """

    def networks(self) -> Mapping[str, Mapping[str, tf.keras.Model]]:
        """Returns name -> backbones by view, of all that may be exported and evaluated; one is `online`."""
        return {ONLINE: self.backbones}

    def nested(self, kind: type) -> list:
        """Returns the parts of this objective, itself included, that are of a class, such as `State`."""
        return [each for each in (self, *self.submodules) if isinstance(each, kind)]

    def views_in_order(self) -> list[str]:
        """Returns the views that have backbones, by name, except that `narrow` is before any other."""
        return sorted(self.backbones, key=lambda view: (view != NARROW, view))

    def feature_size(self, view: str) -> int:
        """D of the (B, D) features of a view's backbone."""
        return self.backbones[view].output_shape[-1]

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        """Returns the (B, D) float32 backbone features of every view."""

        def features(view: str, backbone: tf.keras.Model) -> tf.Tensor:
            return features_of(
                view, backbone, lambda: in_full(backbone(batch[view], training=training))
            )

        return {view: features(view, backbone) for view, backbone in self.backbones.items()}

    def embed(self, view: str, x: tf.Tensor) -> tf.Tensor:
        """Returns the (B, D) float32 features of a batch of one view, in inference mode."""
        return in_full(self.backbones[view](x, training=False))
