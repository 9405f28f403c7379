"""What a monitor is shown of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from brave_tf.data.sources.attempts import SkippedClips
from brave_tf.data.views.base import View
from brave_tf.objectives.base import Objective
from brave_tf.training.monitors.advice import Advice
from brave_tf.training.monitors.charts import Charts


class WatchedSettings(Protocol):
    """What monitors read of the settings of a run, which `training.settings.Settings` describes."""

    data_dir: str
    split: str
    held_out_split: str | None
    batch_size: int
    num_steps: int
    log_every: int
    checkpoint_every: int
    probe: Any


class WatchedRecipe(Protocol):
    """What monitors read of a recipe.

    Attributes:
      views: view name -> view.
    """

    views: Mapping[str, View]


class WatchedInputs(Protocol):
    """What monitors read of the clips of a run, `training.inputs.Inputs`.

    Attributes:
      settings: those of the run.
      recipe: has the views.
      skipped: account of the clips that could not be read since the run was started or resumed.
    """

    settings: WatchedSettings
    recipe: WatchedRecipe
    skipped: SkippedClips

    @property
    def holds_out(self) -> bool:
        """Whether some clips are held out."""

    def num_clips(self) -> int | None:
        """Returns how many clips are trained on; None when nobody counted."""

    def part(self, held_out: bool) -> tuple[int, bool] | None:
        """Returns which clips of the split are trained on, or held out, as `clip_dataset` takes it."""


@dataclasses.dataclass(frozen=True)
class Moment:
    """A run after one of its steps.

    Attributes:
      objective: that is trained; `objective.seen` has features, projections and clips of the last step.
      inputs: its clips, `.recipe.views`, and the settings of the run, `.settings`.
      charts: where figures go; they are written by the chief alone.
      advice: takes warnings.
      step: the last one, from 1 on; where a run begins, that of its checkpoint, or 0.
      stopping: whether the run has been asked to stop.
      means: name -> mean over the steps since the last log or checkpoint, such as `loss`, `loss/<term>` and
        `optimizer/gradient_norm`, up to this step. Means over nothing are not there. Empty where a run
        begins, and for `Monitor.due`.
    """

    objective: Objective
    inputs: WatchedInputs
    charts: Charts
    advice: Advice
    step: int
    stopping: bool = False
    means: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.inputs.settings.num_steps

    @property
    def last(self) -> bool:
        """Whether no step follows, now."""
        return self.step == self.num_steps or self.stopping

    @property
    def logging(self) -> bool:
        """Whether it is the time of a log, as `train.log_every` says, or the last step."""
        return self.last or self.step % self.inputs.settings.log_every == 0

    @property
    def saving(self) -> bool:
        """Whether it is that of a checkpoint, as `train.checkpoint_every` says, or the last step."""
        return self.last or self.step % self.inputs.settings.checkpoint_every == 0
