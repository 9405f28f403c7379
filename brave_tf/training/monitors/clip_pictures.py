"""Augmented views as pictures: frames and flow as film strips, sound as spectrograms."""

from __future__ import annotations

from collections.abc import Mapping

import gin
import numpy as np
import tensorflow as tf

from brave_tf import modality_registry as modalities
from brave_tf.data.views.base import View
from brave_tf.training.monitors.charts import Charts
from brave_tf.training.monitors.moment import Moment
from brave_tf.training.monitors.monitor import Monitor
from brave_tf.training.monitors.occasions import Occasions


@gin.configurable
class ClipPictures(Monitor):
    """Shows the views of the first clips of a batch, as the networks see them, now and then.

    Args:
      times: how many times in a run, from its first step on; 0 for never.

    Raises:
      UserError: `times` cannot be used.
    """

    reads_means = False

    def __init__(self, times: int = 10):
        super().__init__()
        self._occasions = Occasions(times, "ClipPictures.times")

    def due(self, moment: Moment) -> bool:
        return self._occasions.due(moment.step, moment.num_steps)

    def act(self, moment: Moment) -> None:
        """Shows the clips of the step."""
        clips = moment.objective.seen.clips
        self.show(moment.charts, moment.inputs.recipe.views, clips, moment.step)

    def show(
        self, charts: Charts, views: Mapping[str, View], clips: Mapping[str, tf.Tensor], step: int
    ) -> None:
        """Writes the picture `clips/<view>` of each view, one for each clip.

        Args:
          charts: where to.
          views: by name.
          clips: view -> (N, *view.shape) float.
          step: that they were trained on in.
        """
        for name, values in clips.items():
            view = views[name]
            images = [picture(view.modality, view.shown(value)) for value in values.numpy()]
            if images[0] is not None:
                charts.pictures(f"clips/{name}", images, step)


def picture(modality: str, values: np.ndarray) -> np.ndarray | None:
    """Draws what a view has cut from a clip.

    Args:
      modality: of the view, see `modalities`.
      values: float of the view's shape.

    Returns:
      (H, W, 3) uint8 RGB; None where the modality has no picture.
    """
    return modalities.find(modality).window_picture(values)
