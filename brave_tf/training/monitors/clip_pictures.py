"""Augmented views as pictures: frames and flow as film strips, sound as spectrograms."""

from __future__ import annotations

from collections.abc import Mapping

import gin
import numpy as np
import tensorflow as tf

from brave_tf.data.views.base import View
from brave_tf.pages import pictures
from brave_tf.training.monitors.charts import Charts
from brave_tf.training.monitors.moment import Moment
from brave_tf.training.monitors.monitor import Monitor
from brave_tf.training.monitors.occasions import Occasions

_FRAMES = 8
_FRAME_WIDTH = 112
_GAP = 4
_SPECTROGRAM_WIDTH = 768
_LARGE_PERCENTILE = 99


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
            images = [picture(views[name].modality, value) for value in values.numpy()]
            if images[0] is not None:
                charts.pictures(f"clips/{name}", images, step)


def picture(modality: str, values: np.ndarray) -> np.ndarray | None:
    """Draws what a view has cut from a clip.

    Args:
      modality: `rgb`, (T, H, W, 3) in [0, 1]; `flow`, (T, H, W, 2), full colour at the length that one in a
        hundred exceeds; or `audio`, (frames, bins), the lowest value black.
      values: float of that shape.

    Returns:
      (H, W, 3) uint8 RGB: evenly spaced frames side by side, or time to the right and frequency upwards;
      None for other modalities.
    """
    if modality == "audio":
        return _spectrogram(values)
    if modality not in ("rgb", "flow"):
        return None
    chosen = np.linspace(0, len(values) - 1, min(_FRAMES, len(values))).round().astype(int)
    frames = values[chosen]
    if modality == "flow":
        lengths = np.hypot(frames[..., 0], frames[..., 1])
        frames = pictures.flow_colours(frames, max(np.percentile(lengths, _LARGE_PERCENTILE), 1e-3))
    else:
        frames = np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8)
    frames = np.stack([pictures.fit_width(frame, _FRAME_WIDTH) for frame in frames])
    apart = np.pad(frames, ((0, 0), (0, 0), (0, _GAP), (0, 0)), constant_values=255)
    return np.concatenate(list(apart), axis=1)[:, :-_GAP]


def _spectrogram(values: np.ndarray) -> np.ndarray:
    span = max(float(np.ptp(values)), 1e-6)
    return pictures.fit_width(
        pictures.heat((values.T[::-1] - values.min()) / span), _SPECTROGRAM_WIDTH
    )
