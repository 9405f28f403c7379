"""What is measured on features of single clips at checkpoints: a snapshot, and the probe of the recipe."""

from __future__ import annotations

from brave_tf.objectives.base import NARROW, Objective
from brave_tf.training.inputs import Inputs
from brave_tf.training.monitors.charts import HELD_OUT, Charts
from brave_tf.training.monitors.labelled_clips import ClipSample
from brave_tf.training.monitors.projector import FeatureSnapshots, write_snapshot


class Probes:
    """Looks at features in inference mode.

    All processes of a run do, as some layers can only be read by all together; one of them writes.

    Args:
      inputs: the clips of the run, and its settings: `probe` and those of what is held out.
      charts: where to.

    Raises:
      UserError: the probe of the recipe cannot be used.
    """

    def __init__(self, inputs: Inputs, charts: Charts):
        self._settings, self._charts = inputs.settings, charts
        views = inputs.recipe.views
        self._view = NARROW if NARROW in views else next(iter(views))
        self._probe = None
        if self._settings.probe:
            self._probe = self._settings.probe(self._settings.data_dir, views)
        self._snapshots, self._sample = FeatureSnapshots(), None
        if inputs.holds_out and self._snapshots.wanted:
            self._sample = ClipSample(
                self._settings.data_dir,
                self._settings.held_out_split or self._settings.split,
                self._view,
                views[self._view],
                self._snapshots.clips,
                part=inputs.part(held_out=True),
            )

    def run(self, objective: Objective, step: int) -> None:
        """Measures after a step."""
        num_steps = self._settings.num_steps
        if self._probe:
            figures = self._probe(objective)
            self._charts.scalars(figures, step)
            if figures and self._charts.enabled:
                shown = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
                print(f"step {step}/{num_steps}  {shown}", flush=True)
        if self._sample and (step == num_steps or self._snapshots.occasions.due(step, num_steps)):
            clips = self._sample.embed(objective)
            if self._charts.enabled:
                folder, name = self._charts.folder / HELD_OUT, f"{self._view} at step {step}"
                write_snapshot(folder, name, clips, self._sample.label_names)
