"""A frozen backbone under evaluation, and the view that it is probed on."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Callable

import numpy as np
import tensorflow as tf

from brave_tf.data.views.base import View
from brave_tf.evaluation.features.windows import EvalWindows
from brave_tf.interop import models
from brave_tf.interop.models import Embed, FrozenBackbone, ModelSource
from brave_tf.storage.digests import digest_of_weights


@dataclasses.dataclass(frozen=True)
class Probe:
    """What a protocol is given.

    Attributes:
      view_name: the name of the backbone's view in the recipe.
      view: the view that the backbone was trained on.
      is_narrow: whether it is the narrow view of the recipe.
      backbone: what is probed.
      cache: folder for features that other protocols may use too; None keeps nothing on disk.
      output: folder of the evaluation's results, for what else a protocol keeps; None for nothing.
    """

    view_name: str
    view: View
    is_narrow: bool
    backbone: FrozenBackbone
    cache: str | None = None
    output: str | None = None

    @property
    def embed(self) -> Embed:
        """(B, *window) -> (B, D) float32 in inference mode, see `FrozenBackbone`."""
        return self.backbone.embed


def load_probes(
    source: ModelSource,
    views: Mapping[str, View],
    strategy: tf.distribute.Strategy | None = None,
) -> tuple[Callable[[str], Probe], int | None]:
    """Builds the model and reads its weights.

    Args:
      source: where it comes from; its configuration is loaded.
      views: its views.
      strategy: in whose scope it is made; None for one device.

    Returns:
      A function from a view's name to the `Probe` of its backbone, and the training step of the
      weights: 0 for the random initialisation, None when it is not known.
    """
    backbone, step = models.load_backbones(source, views, strategy)
    narrow = None if source.kind == models.FUNCTION else next(iter(views))

    @functools.cache
    def probe(name: str) -> Probe:
        found = backbone(name)
        if source.kind == models.FUNCTION:
            found = dataclasses.replace(found, weights=_digest_of_answer(found, views[name]))
        return Probe(name, views[name], name == narrow, found)

    return probe, step


def _digest_of_answer(backbone: FrozenBackbone, view: View) -> str:
    """What a function answers stands for its weights, of which nothing is known."""
    settings = EvalWindows()
    shape = (settings.batch_size, *settings.view(view, is_narrow=False).shape)
    answer = backbone.embed(tf.random.stateless_uniform(shape, (0, 0)))
    return digest_of_weights([answer.numpy(), np.array(backbone.source.location)])
