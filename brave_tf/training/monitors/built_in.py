"""The monitors that every run has beside its log and its checkpoints. Another one is a line here."""

from __future__ import annotations

from typing import Callable

from brave_tf.training.monitors.clip_pictures import ClipPictures
from brave_tf.training.monitors.few_clips import FewClipsWatch
from brave_tf.training.monitors.momentum_copies import MomentumCopyFigures
from brave_tf.training.monitors.monitor import Monitor
from brave_tf.training.monitors.probes import RecipeProbe
from brave_tf.training.monitors.projector import FeatureSnapshots
from brave_tf.training.monitors.standstill import StandstillWatch

# Where several act after a step they do so in this order: the log, these, those of `train.monitors`, ...
BEFORE_SAVING: tuple[Callable[[], Monitor], ...] = (
    FewClipsWatch,
    StandstillWatch,
    MomentumCopyFigures,
    ClipPictures,
)
# ... the checkpoint, and these.
AFTER_SAVING: tuple[Callable[[], Monitor], ...] = (RecipeProbe, FeatureSnapshots)
