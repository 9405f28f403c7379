"""The settings of fine-tuning, and the recipe of the run that they make.

The BraVe paper does not say how its networks were fine-tuned: the defaults are what is usual for networks of
this size on HMDB51 and UCF101, SGD with momentum, half a cosine after a short warm-up, and dropout before the
classifier.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import gin

from brave_tf.config import Configuration
from brave_tf.data.views.base import Augmentation, View
from brave_tf.errors import ArgumentError, UserError
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.protocols import finetune_optimizer
from brave_tf.interop.models import RANDOM, RUN
from brave_tf.objectives.base import ONLINE
from brave_tf.storage.added_fields import added_field
from brave_tf.training import checkpoints, labelled_recipe
from brave_tf.training.optimizers import layer_rates, schedules
from brave_tf.training.recipe import Recipe, bound

_SCHEDULES = ("cosine", "steps")


@gin.configurable("finetune")
@dataclasses.dataclass(frozen=True)
class FineTuning:
    """How a network is fine-tuned; bound in gin as `finetune.<name>`.

    The windows are those of `eval_windows`, in training as in the test: at first the size and the number of
    frames of the test crops, cropped at random as the view crops them and augmented.

    Attributes:
      train_split: split that the network is trained on; `a+b` for two.
      test_split: split that it is scored on. Its labels are used for the score alone.
      epochs: passes over the training clips.
      num_steps: steps of the run in place of `epochs`; None for these.
      batch_size: clips of a step, over all devices.
      accumulate_steps: parts of a step, see `train.accumulate_steps`.
      optimizer: `sgd`, `adam`, `adamw`, `lars`, `lamb`, or a gin configurable of one's own that takes
        `learning_rate` and `multipliers`.
      learning_rate: of the classifier and, without `layer_decay`, of all layers.
      weight_decay: that of the optimizer; 0 for one that has none.
      optimizer_arguments: further arguments of the optimizer, such as {'momentum': 0.9}.
      schedule: `cosine`, a rise over `warmup` and half a cosine to 0, or `steps`, a fall at each of the
        `milestones`.
      warmup: share of the steps over which the rate rises.
      milestones: shares of the steps.
      milestone_factor: by which the rate falls at each.
      layer_decay: factor of the rate from one depth of the backbone to the one before it, see
        `layer_rates.depth_multipliers`.
      multipliers: regular expression in variable names -> factor on the step, such as
        {'classifier/': 10.0}; those that are found in one name multiply.
      frozen_up_to: the end point up to which the backbone does not learn, such as `stage_2`; None: all of it
        learns.
      dropout: share of the features that the classifier does not see in a training step.
      label_smoothing: see `Supervised`.
      augmentations: functions after the crop; None for those of `eval_windows`.
      held_out_every: keeps one training clip in so many from training, to choose the best checkpoint by their
        loss; None: trains on all, and there is no best checkpoint.
      measurements: how many checkpoints there are to choose from.
      seed: of initial weights, order of clips, windows, augmentations and intervals.

    Raises:
      UserError: a value cannot be used.
    """

    train_split: str = "train"
    test_split: str = "test"
    epochs: float = 50
    num_steps: int | None = None
    batch_size: int = 64
    accumulate_steps: int = 1
    optimizer: str = "sgd"
    learning_rate: float = 0.02
    weight_decay: float = 1e-4
    optimizer_arguments: Mapping[str, Any] | None = None
    schedule: str = "cosine"
    warmup: float = 0.1
    milestones: Sequence[float] = (0.5, 0.75)
    milestone_factor: float = added_field(0.1)
    layer_decay: float = 1.0
    multipliers: Mapping[str, float] | None = None
    frozen_up_to: str | None = None
    dropout: float = 0.5
    label_smoothing: float = 0.0
    augmentations: Sequence[Augmentation] | None = None
    held_out_every: int | None = 10
    measurements: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        whole = (
            "batch_size",
            "measurements",
            *(("num_steps",) if self.num_steps is not None else ()),
        )
        for name in whole:
            self._require(name, isinstance(getattr(self, name), int), "a whole number above 0")
        for name in (*whole, "epochs", "learning_rate"):
            self._require(name, getattr(self, name) > 0, "a number above 0")
        self._require("layer_decay", 0 < self.layer_decay <= 1, "a factor above 0, at most 1")
        self._require("weight_decay", self.weight_decay >= 0, "0 or more")
        self._require("warmup", 0 <= self.warmup < 1, "a share of the steps, 0 or more, below 1")
        self._require("milestones", all(0 < m < 1 for m in self.milestones), "shares of the steps")
        self._require("milestone_factor", 0 < self.milestone_factor < 1, "above 0 and below 1")
        self._require("schedule", self.schedule in _SCHEDULES, f"one of {', '.join(_SCHEDULES)}")
        every = self.held_out_every
        usable = every is None or (isinstance(every, int) and every >= 2)
        self._require("held_out_every", usable, "None or a whole number of at least 2")

    def steps(self, clips: int) -> int:
        """Returns the steps of a run whose split has so many labelled clips."""
        if self.num_steps is not None:
            return self.num_steps
        return math.ceil(self.epochs * (clips - self.held_out(clips)) / self.batch_size)

    def held_out(self, clips: int) -> int:
        """Returns about how many of them are kept from training."""
        return math.ceil(clips / self.held_out_every) if self.held_out_every else 0

    def _require(self, name: str, usable: bool, expected: str) -> None:
        if not usable:
            raise UserError(f"finetune.{name} = {getattr(self, name)!r}: expected {expected}.")


def derive(
    settings: FineTuning, probe: Probe, view: View, data_dir: str, clips: int, num_classes: int
) -> Configuration:
    """Returns the configuration of the run; see `labelled_recipe.derive`.

    Args:
      settings: of the fine-tuning.
      probe: of the backbone, whose configuration is loaded.
      view: whose windows it is trained on.
      data_dir: folder of prepared records, or media files.
      clips: labelled clips of the training split.
      num_classes: of these.

    Raises:
      UserError: the optimizer, the depths or the checkpoint cannot be used.
    """
    scope = labelled_recipe.free_scope()
    steps = settings.steps(clips)
    multipliers = {**_depth_multipliers(settings, probe), **(settings.multipliers or {})}
    held_out = settings.held_out(clips) / settings.batch_size
    bindings = {
        "train.data_dir": data_dir,
        "train.split": settings.train_split,
        "train.batch_size": settings.batch_size,
        "train.accumulate_steps": settings.accumulate_steps,
        "train.num_steps": steps,
        "train.seed": settings.seed,
        **_initial_weights(probe),
        "train.held_out_split": None,
        "train.held_out_every": settings.held_out_every,
        "train.held_out_batches": max(1, math.ceil(held_out)),
        "train.log_every": max(1, min(100, steps // 20)),
        "train.checkpoint_every": math.ceil(steps / settings.measurements),
        "train.keep_checkpoints": 1,
        "train.keep_every": None,
        **finetune_optimizer.optimizer(settings, scope, multipliers),
        **finetune_optimizer.schedule(settings, scope, steps),
    }
    augmentations, modules = _augmentations(settings, view)
    return labelled_recipe.derive(
        probe.view_name,
        scope,
        bindings,
        supervised={
            "num_classes": num_classes,
            "dropout": settings.dropout,
            "label_smoothing": settings.label_smoothing,
            "loss_scale": 1.0,
        },
        view_changes={**_differences(probe.view, view), "augmentations": augmentations},
        frozen_up_to=settings.frozen_up_to,
        imports=[schedules.__name__, *modules],
    )


def _initial_weights(probe: Probe) -> dict[str, Any]:
    source = probe.backbone.source
    folder, checkpoint = source.location, checkpoints.LAST
    if source.network != ONLINE:
        raise ArgumentError(
            "network",
            source.network,
            "training begins with the online network of a run. Export this one with brave_tf_export, and "
            "evaluate the exported model.",
        )
    if source.baseline == RANDOM:
        folder = None
    elif source.kind == RUN:
        # The newest one may be another by the time that the fine-tuning begins or goes on.
        step = probe.backbone.step
        if step is None:
            step = checkpoints.find_step(folder, source.checkpoint)
        checkpoint = str(step)
    return {"train.initial_weights": folder, "train.initial_checkpoint": checkpoint}


def _depth_multipliers(settings: FineTuning, probe: Probe) -> dict[str, float]:
    if settings.layer_decay == 1:
        return {}
    backbone = labelled_recipe.backbone_of(
        objective=bound(Recipe).objective,
        view=probe.view_name,
        frozen_up_to=settings.frozen_up_to,
    )
    return layer_rates.depth_multipliers(backbone, settings.layer_decay)


def _augmentations(settings: FineTuning, view: View) -> tuple[list[Any], list[str]]:
    """Returns references to the augmentations, and the modules that they need."""
    if settings.augmentations is not None:
        return list(labelled_recipe.bound_value("finetune.augmentations")), []
    references = [labelled_recipe.reference(each.__name__) for each in view.augmentations]
    return references, [each.__module__ for each in view.augmentations]


def _differences(before: View, after: View) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(after) if field.name != "augmentations"]
    return {
        name: getattr(after, name)
        for name in names
        if getattr(after, name) != getattr(before, name)
    }
