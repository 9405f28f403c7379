"""What an objective computes from a batch, and what a training step shows of it."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Callable, NamedTuple, Union

import tensorflow as tf

# A figure, or that of clips and which of them have it.
Monitored = Union[tf.Tensor, "tuple[tf.Tensor, tf.Tensor]"]


class Terms(NamedTuple):
    """What an objective computes from a batch.

    Attributes:
      losses: name -> (B,) float32, the loss terms of each clip. Their mean is over the clips that count.
      features: view -> (B, D) float32 backbone features, watched for collapse.
      monitors: name -> scalar or (B,) float32, further figures to log, not optimised; the mean of the latter
        is over the clips that count too. Or a pair of such a (B,) and (B,) float32, 1 for a clip of which the
        figure is known and 0 for another, that has no part in the mean.
      projections: name -> (B, D) float32, what the loss compares (z), watched for collapse too.
      counts: (B,) float32, 1 for a clip that counts in means and 0 for one that does not, such as one without
        a label; None: all do.
      followed: (B,) float32, what gradients are taken of in place of the loss that is logged, which the
        weighted terms give; `Objective.loss_scale` multiplies both. None: the loss.
      writes: what is written to the objective's state, such as `lambda: queue.push(keys)`. They are called
        in this order after scoring and gradients, in training alone.
    """

    losses: dict[str, tf.Tensor]
    features: dict[str, tf.Tensor]
    monitors: dict[str, Monitored]
    projections: Mapping[str, tf.Tensor] = types.MappingProxyType({})
    counts: tf.Tensor | None = None
    followed: tf.Tensor | None = None
    writes: Sequence[Callable[[], object]] = ()


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a training step shows beside its logs; that of the first device where there are several.

    Attributes:
      features: as in `Terms`.
      projections: as in `Terms`.
      clips: view -> (2, *view shape), augmented, the first clips of the batch (one if it has no more).
      waited: seconds until the batch was there.
    """

    features: Mapping[str, tf.Tensor]
    projections: Mapping[str, tf.Tensor]
    clips: Mapping[str, tf.Tensor]
    waited: float
