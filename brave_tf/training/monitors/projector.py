"""A snapshot of features for TensorBoard's embedding projector."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import gin
import numpy as np
import tensorflow as tf
from absl import logging
from tensorboard.plugins import projector

from brave_tf.errors import UserError
from brave_tf.objectives.base import NARROW
from brave_tf.training.monitors.charts import HELD_OUT
from brave_tf.training.monitors.labelled_clips import ClipSample, WatchedClips
from brave_tf.training.monitors.moment import Moment, WatchedInputs
from brave_tf.training.monitors.monitor import Monitor
from brave_tf.training.monitors.occasions import Occasions

_VECTORS, _LABELS, _STILLS = "features.tsv", "labels.tsv", "stills.png"


@gin.configurable
class FeatureSnapshots(Monitor):
    """Shows features of held-out clips as a cloud of points, at a checkpoint now and then.

    Each snapshot takes the place of the one before. All processes of a run compute it together, as some
    layers can only be read so; one of them writes.

    Args:
      clips: at most so many.
      times: how many times in a run, besides at its end; 0 for never.

    Raises:
      UserError: a number cannot be used.
    """

    everywhere = True

    def __init__(self, clips: int = 200, times: int = 10):
        super().__init__()
        if not isinstance(clips, int) or clips < 2:
            raise UserError(
                f"FeatureSnapshots.clips = {clips!r}: expected a whole number of at least 2; bind "
                "FeatureSnapshots.times = 0 for none."
            )
        self._clips, self._wanted = clips, times != 0
        self._occasions = Occasions(times, "FeatureSnapshots.times")
        self._sample: ClipSample | None = None

    def prepare(self, inputs: WatchedInputs) -> None:
        """Chooses the clips, if some are held out.

        Raises:
          UserError: there are none.
        """
        settings, views = inputs.settings, inputs.recipe.views
        self._view = NARROW if NARROW in views else next(iter(views))
        if inputs.holds_out and self._wanted:
            self._sample = ClipSample(
                settings.data_dir,
                settings.held_out_split or settings.split,
                self._view,
                views[self._view],
                self._clips,
                part=inputs.part(held_out=True),
            )

    def due(self, moment: Moment) -> bool:
        if not self._sample or not moment.saving or moment.stopping:
            return False
        step, num_steps = moment.step, moment.num_steps
        return step == num_steps or self._occasions.due(step, num_steps)

    def act(self, moment: Moment) -> None:
        """Computes the features, and writes where charts are written."""
        clips = self._sample.embed(moment.objective)
        if moment.charts.enabled:
            folder, name = moment.charts.folder / HELD_OUT, f"{self._view} at step {moment.step}"
            write_snapshot(folder, name, clips, self._sample.label_names)


def write_snapshot(
    folder: pathlib.Path, name: str, clips: WatchedClips, label_names: Sequence[str]
) -> None:
    """Writes the points, their labels and pictures, and the projector's description of them.

    Args:
      folder: of a run of TensorBoard.
      name: of the cloud.
      clips: the points.
      label_names: of the labels; empty where nobody knows.
    """
    if not np.all(np.isfinite(clips.features)):
        logging.warning(
            "%s: features are not finite: no snapshot for the projector is written", name
        )
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        np.savetxt(folder / _VECTORS, clips.features, fmt="%.5g", delimiter="\t")
        names = [_name(label, label_names) for label in clips.labels]
        (folder / _LABELS).write_text("\n".join(names) + "\n", encoding="utf-8")
        (folder / _STILLS).write_bytes(tf.io.encode_png(_sheet(clips.stills)).numpy())
        config = projector.ProjectorConfig()
        embedding = config.embeddings.add(
            tensor_name=name, tensor_path=_VECTORS, metadata_path=_LABELS
        )
        embedding.sprite.image_path = _STILLS
        embedding.sprite.single_image_dim.extend(clips.stills.shape[2:0:-1])
        projector.visualize_embeddings(str(folder), config)
    except OSError as error:
        logging.warning("the snapshot for the projector could not be written: %s", error)


def _name(label: int, names: Sequence[str]) -> str:
    if label < 0:
        return "unlabelled"
    return names[label] if label < len(names) else str(label)


def _sheet(stills: np.ndarray) -> np.ndarray:
    """Lays (N, S, S, 3) pictures out in rows of a square sheet, as the projector expects them."""
    side = int(np.ceil(np.sqrt(len(stills))))
    blank = np.zeros((side * side - len(stills), *stills.shape[1:]), stills.dtype)
    rows = np.concatenate([stills, blank]).reshape(side, side, *stills.shape[1:])
    return rows.transpose(0, 2, 1, 3, 4).reshape(
        side * stills.shape[1], side * stills.shape[2], stills.shape[3]
    )
