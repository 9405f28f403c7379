"""A probe for runs under way: nearest neighbours on a few labelled clips."""

from __future__ import annotations

from collections.abc import Mapping

import gin
import numpy as np
from absl import logging

from brave_tf import errors
from brave_tf.data.views.base import View
from brave_tf.evaluation.protocols.knn import knn_hits
from brave_tf.objectives.base import NARROW, Objective
from brave_tf.training.monitors.labelled_clips import ClipSample


@gin.configurable
class OnlineKnn:
    """Classifies clips of one split by their neighbours among clips of another, by frozen features.

    One window of each clip, not augmented: quick, below what the kNN task of `brave_tf_eval` measures,
    and comparable over the steps of a run, whose labels it alone sees. Bound as `train.probe = @OnlineKnn`.

    Args:
      data_dir: records or media files of the run.
      views: those of the recipe.
      view: name of the one whose backbone is probed.
      train_split: whose clips vote.
      test_split: whose clips are classified.
      train_clips: how many vote, at most.
      test_clips: how many are classified, at most.
      k: neighbours that vote.
      temperature: of the votes, see `knn`.

    Raises:
      UserError: the recipe has no such view, or a split no labelled clips for it.
    """

    def __init__(
        self,
        data_dir: str,
        views: Mapping[str, View],
        view: str = NARROW,
        train_split: str = "train",
        test_split: str = "test",
        train_clips: int = 500,
        test_clips: int = 250,
        k: int = 20,
        temperature: float = 0.07,
    ):
        if view not in views:
            raise errors.UserError(
                f"OnlineKnn.view = {view!r}: expected one of {', '.join(views)}."
                f"{errors.did_you_mean(view, views)}"
            )
        self._samples = [
            ClipSample(data_dir, split, view, views[view], clips, labelled=True)
            for split, clips in ((train_split, train_clips), (test_split, test_clips))
        ]
        self._view, self._k = view, k
        self._temperature = temperature

    def __call__(self, objective: Objective) -> dict[str, float]:
        """Returns `probe/knn_top1`, the share of clips whose class wins, in [0, 1].

        Nothing, with a warning, where features are NaN or infinite: whether the run goes on is not decided by
        a probe.
        """
        train, test = (sample.embed(objective) for sample in self._samples)
        bad = [np.count_nonzero(~np.isfinite(x.features).all(axis=1)) for x in (train, test)]
        if any(bad):
            clips = len(train.labels) + len(test.labels)
            logging.warning(
                "the features of view %r are not finite for %d of %d clips of the probe: it is left out at "
                "step %d.",
                self._view,
                sum(bad),
                clips,
                objective.step,
            )
            return {}
        hits = knn_hits(
            train.features,
            train.labels,
            test.features,
            test.labels,
            self._k,
            self._temperature,
        )
        return {"probe/knn_top1": float(np.mean(hits["top1"]))}
