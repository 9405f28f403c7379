"""The probe of the recipe, which is measured on features of single clips at checkpoints."""

from __future__ import annotations

from brave_tf.training.monitors.moment import Moment, WatchedInputs
from brave_tf.training.monitors.monitor import Monitor


class RecipeProbe(Monitor):
    """Calls what `train.probe` has made, if there is one, at every checkpoint.

    All processes of a run do, as some layers can only be read by all together; one of them writes.
    """

    everywhere = True

    def __init__(self):
        super().__init__()
        self._probe = None

    def prepare(self, inputs: WatchedInputs) -> None:
        """Makes the probe.

        Raises:
          UserError: it cannot be used.
        """
        settings = inputs.settings
        if settings.probe:
            self._probe = settings.probe(settings.data_dir, inputs.recipe.views)

    def due(self, moment: Moment) -> bool:
        return self._probe is not None and moment.saving and not moment.stopping

    def act(self, moment: Moment) -> None:
        """Measures, charts and prints."""
        figures = self._probe(moment.objective)
        moment.charts.scalars(figures, moment.step)
        if figures and moment.charts.enabled:
            shown = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
            print(f"step {moment.step}/{moment.num_steps}  {shown}", flush=True)
