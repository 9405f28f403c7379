"""What the frozen network of CoCLR finds for clips, as film strips."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import gin
import numpy as np

from brave_tf.data.pipeline import batches
from brave_tf.data.pipeline.clip_fields import GROUP, ClipFields, ClipGroups
from brave_tf.errors import UserError
from brave_tf.objectives.coclr import CoCLR
from brave_tf.training.monitors.clip_pictures import picture
from brave_tf.training.monitors.moment import Moment, WatchedInputs
from brave_tf.training.monitors.monitor import Monitor

_BATCH, _GAP = 4, 8


class _Sample(NamedTuple):
    """Clips: what the frozen network makes of each, a picture, and the source video."""

    projections: np.ndarray  # (N, D) float32, of length 1
    strips: np.ndarray  # (N, H, W, 3) uint8
    groups: np.ndarray  # (N,) int64


@gin.configurable
class MinedNeighbours(Monitor):
    """Shows clips above those that the frozen network of `CoCLR` finds nearest to them, at the first step.

    They are found among some clips that are trained on, one window of each without augmentations: the queue
    keeps no pictures. As there, clips of the same source are left out. Other objectives have none.

    Args:
      clips: how many there are to find; fewer if there are fewer.
      shown: for how many of them neighbours are shown.

    Raises:
      UserError: a number cannot be used.
    """

    reads_means = False
    # Some layers can only be read by all processes together.
    everywhere = True

    def __init__(self, clips: int = 64, shown: int = 4):
        super().__init__(on_steps=(1,))
        for name, value, least in (("clips", clips, 2), ("shown", shown, 1)):
            if not isinstance(value, int) or value < least:
                raise UserError(
                    f"MinedNeighbours.{name} = {value!r}: expected a whole number of at least {least}."
                )
        self._clips, self._shown = clips, shown

    def act(self, moment: Moment) -> None:
        """Writes the pictures `mined/<view>`: a clip, and below it the nearest."""
        objective = moment.objective
        if not isinstance(objective, CoCLR):
            return
        sample = _sampled(objective, moment.inputs, self._clips)
        found = nearest(sample.projections, sample.groups, objective.top)
        images = [
            _stacked(sample.strips[clip], sample.strips[near])
            for clip, near in enumerate(found[: self._shown])
        ]
        moment.charts.pictures(f"mined/{objective.query}", images, moment.step)


def nearest(projections: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Returns (N, count) of the N clips, those of other sources nearest to each, nearest first.

    Args:
      projections: (N, D), of length 1.
      groups: (N,) the source of each.
      count: how many; fewer if there are fewer clips of other sources for one.
    """
    others = groups[:, None] != groups
    similar = np.where(others, projections @ projections.T, -np.inf)
    return np.argsort(-similar, axis=1, kind="stable")[:, : min(count, others.sum(axis=1).min())]


def _sampled(objective: CoCLR, inputs: WatchedInputs, count: int) -> _Sample:
    views = {
        name: dataclasses.replace(
            inputs.recipe.views[name], augmentations=(), step_augmentations=()
        )
        for name in sorted({objective.query, objective.frozen})
    }
    clips = batches.clip_dataset(
        inputs.settings.data_dir,
        inputs.settings.split,
        views,
        _BATCH,
        training=False,
        part=inputs.part(held_out=False),
        clip_fields=ClipFields((GROUP,), groups=ClipGroups()),
    )
    found: list[Mapping] = []
    for batch in clips.take(-(-count // _BATCH)):
        shown = views[objective.query]
        strips = [picture(shown.modality, shown.shown(x)) for x in batch[objective.query].numpy()]
        projections = objective.mining_projections(batch[objective.frozen])
        found.append(_Sample(projections.numpy(), np.stack(strips), batch[GROUP].numpy()))
    return _Sample(*(np.concatenate(each)[:count] for each in zip(*found)))


def _stacked(clip: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Lays (H, W, 3) above (n, H, W, 3), with a white gap below the first."""
    gap = np.full((_GAP, *clip.shape[1:]), 255, np.uint8)
    return np.concatenate([clip, gap, *near])
